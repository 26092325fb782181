package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"greenlane/client"
)

// endpointsCmd manages webhook endpoints.
type endpointsCmd struct {
	List    endpointsList    `cmd:"" default:"withargs" help:"List endpoints (the default)."`
	Create  endpointsCreate  `cmd:"" help:"Create an endpoint; prints its secret once."`
	Show    endpointsShow    `cmd:"" help:"Show an endpoint with its settings."`
	Test    endpointsTest    `cmd:"" help:"Send an example event to an endpoint."`
	Enable  endpointsEnable  `cmd:"" help:"Resume deliveries to an endpoint."`
	Disable endpointsDisable `cmd:"" help:"Stop deliveries to an endpoint; nothing is lost."`
	Rotate  endpointsRotate  `cmd:"" help:"Give an endpoint a new secret; the old one signs too for 24 hours."`
	Delete  endpointsDelete  `cmd:"" help:"Delete an endpoint and its deliveries."`
}

// endpoint is what the commands read of an endpoint.
type endpoint struct {
	ID     string   `json:"id"`
	Name   string   `json:"name"`
	URL    string   `json:"url"`
	Events []string `json:"events"`
	Format string   `json:"format"`
	State  string   `json:"state"`
	Secret string   `json:"secret"`
	Status struct {
		Health    string `json:"health"`
		Lag       int64  `json:"lag"`
		OpenLanes int    `json:"openLanes"`
		Parked    int    `json:"parked"`
	} `json:"status"`
}

// printOr prints JSON when asked to, else what text writes.
func printOr(asJSON bool, w io.Writer, raw json.RawMessage, text func() error) error {
	if asJSON {
		return printJSON(w, raw)
	}
	return text()
}

func printLine(w io.Writer, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // made of texts and wire structs
	}
	fmt.Fprintf(w, "%s\n", b)
}

// call makes a request and returns the answer's bytes, also decoded into out.
func call(ctx context.Context, f *hubFlags, method, path string, body, out any) (json.RawMessage, error) {
	hub, err := f.client()
	if err != nil {
		return nil, err
	}
	return callOn(ctx, hub, method, path, body, out)
}

func callOn(ctx context.Context, hub *client.Client, method, path string, body, out any) (json.RawMessage, error) {
	var raw json.RawMessage
	target := any(&raw)
	if out == nil {
		target = nil
	}
	if err := hub.Call(ctx, method, path, nil, body, target); err != nil || out == nil {
		return nil, err
	}
	return raw, json.Unmarshal(raw, out)
}

type endpointsList struct {
	hubFlags
	JSON bool `help:"Print JSON."`
}

// Run lists the endpoints with how they are doing.
func (c *endpointsList) Run(ctx context.Context, std *stdio) error {
	var page client.Page[endpoint]
	raw, err := call(ctx, &c.hubFlags, http.MethodGet, "/v1/webhooks", nil, &page)
	if err != nil {
		return err
	}
	return printOr(c.JSON, std.out, raw, func() error {
		t := table(std.out, "id", "name", "url", "format", "events", "health", "lag", "open lanes", "parked")
		for _, e := range page.Data {
			fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%d\t%d\t%d\n", e.ID, orDash(e.Name), e.URL, e.Format, strings.Join(e.Events, ","),
				e.Status.Health, e.Status.Lag, e.Status.OpenLanes, e.Status.Parked)
		}
		return t.Flush()
	})
}

type endpointsCreate struct {
	hubFlags
	Target   string   `arg:"" help:"URL to deliver to." name:"url"`
	Name     string   `help:"A name for people."`
	Events   []string `help:"Event types; * means all business events." default:"*"`
	Format   string   `help:"auto, greenlane, entrygo, opentrack, eaze or cloudevents." default:"auto"`
	Schedule []string `help:"standard, opentrack, or waits between attempts such as 5s,1m,10m." placeholder:"SCHEDULE"`
	From     string   `help:"now, or a position or time to begin at." placeholder:"FROM"`
	JSON     bool     `help:"Print JSON."`
}

// Run creates the endpoint and prints its secret, which is not shown again.
func (c *endpointsCreate) Run(ctx context.Context, std *stdio) error {
	body := map[string]any{"url": c.Target, "events": c.Events, "format": c.Format}
	if c.Name != "" {
		body["name"] = c.Name
	}
	if c.From != "" {
		body["from"] = c.From
	}
	switch {
	case len(c.Schedule) == 1 && !strings.ContainsAny(c.Schedule[0], "0123456789"):
		body["retrySchedule"] = c.Schedule[0]
	case len(c.Schedule) > 0:
		body["retrySchedule"] = c.Schedule
	}
	var e endpoint
	raw, err := call(ctx, &c.hubFlags, http.MethodPost, "/v1/webhooks", body, &e)
	if err != nil {
		return err
	}
	return printOr(c.JSON, std.out, raw, func() error {
		_, err := fmt.Fprintf(std.out, "%s delivers to %s\nsecret  %s   (shown this once)\n", e.ID, e.URL, e.Secret)
		return err
	})
}

type endpointsShow struct {
	hubFlags
	ID string `arg:"" help:"The endpoint, wh_…."`
}

// Run prints the endpoint as JSON: it is made of settings.
func (c *endpointsShow) Run(ctx context.Context, std *stdio) error {
	var e endpoint
	raw, err := call(ctx, &c.hubFlags, http.MethodGet, "/v1/webhooks/"+url.PathEscape(c.ID), nil, &e)
	if err != nil {
		return err
	}
	return printJSON(std.out, raw)
}

type endpointsTest struct {
	hubFlags
	ID   string `arg:"" help:"The endpoint, wh_…."`
	Type string `help:"The event type to send an example of." placeholder:"TYPE"`
	JSON bool   `help:"Print JSON."`
}

// Run sends an example and prints how it ended; a failed attempt is a failure.
func (c *endpointsTest) Run(ctx context.Context, std *stdio) error {
	body := map[string]any{}
	if c.Type != "" {
		body["type"] = c.Type
	}
	var answer struct {
		Success    bool    `json:"success"`
		Status     int     `json:"status"`
		Error      string  `json:"error"`
		DurationMs float64 `json:"durationMs"`
	}
	raw, err := call(ctx, &c.hubFlags, http.MethodPost, "/v1/webhooks/"+url.PathEscape(c.ID)+"/test", body, &answer)
	if err != nil {
		return err
	}
	err = printOr(c.JSON, std.out, raw, func() error {
		outcome := fmt.Sprintf("answered %d", answer.Status)
		if answer.Error != "" {
			outcome = answer.Error
		}
		_, err := fmt.Fprintf(std.out, "%s in %.1f ms\n", outcome, answer.DurationMs)
		return err
	})
	if err == nil && (answer.Error != "" || answer.Status/100 != 2) {
		return fmt.Errorf("the test event was not acknowledged")
	}
	return err
}

type endpointsEnable struct {
	hubFlags
	ID     string `arg:"" help:"The endpoint, wh_…."`
	From   string `help:"cursor, now, or a position; what lies between is recorded as skipped." default:"cursor"`
	Reason string `help:"Why."`
}

// Run resumes deliveries.
func (c *endpointsEnable) Run(ctx context.Context, std *stdio) error {
	return changeEndpoint(ctx, &c.hubFlags, std, c.ID, "enable", map[string]any{"from": c.From, "reason": c.Reason})
}

type endpointsDisable struct {
	hubFlags
	ID     string `arg:"" help:"The endpoint, wh_…."`
	Reason string `help:"Why."`
}

// Run stops deliveries.
func (c *endpointsDisable) Run(ctx context.Context, std *stdio) error {
	return changeEndpoint(ctx, &c.hubFlags, std, c.ID, "disable", map[string]any{"reason": c.Reason})
}

func changeEndpoint(ctx context.Context, f *hubFlags, std *stdio, id, verb string, body map[string]any) error {
	if body["reason"] == "" {
		delete(body, "reason")
	}
	var e endpoint
	if _, err := call(ctx, f, http.MethodPost, "/v1/webhooks/"+url.PathEscape(id)+"/"+verb, body, &e); err != nil {
		return err
	}
	_, err := fmt.Fprintf(std.out, "%s is %s\n", e.ID, e.State)
	return err
}

type endpointsRotate struct {
	hubFlags
	ID   string `arg:"" help:"The endpoint, wh_…."`
	JSON bool   `help:"Print JSON."`
}

// Run prints the new secret, which is not shown again.
func (c *endpointsRotate) Run(ctx context.Context, std *stdio) error {
	var e endpoint
	raw, err := call(ctx, &c.hubFlags, http.MethodPost, "/v1/webhooks/"+url.PathEscape(c.ID)+"/rotate-secret", map[string]any{}, &e)
	if err != nil {
		return err
	}
	return printOr(c.JSON, std.out, raw, func() error {
		_, err := fmt.Fprintf(std.out, "secret  %s   (shown this once)\n", e.Secret)
		return err
	})
}

type endpointsDelete struct {
	hubFlags
	ID string `arg:"" help:"The endpoint, wh_…."`
}

// Run deletes the endpoint.
func (c *endpointsDelete) Run(ctx context.Context, std *stdio) error {
	if _, err := call(ctx, &c.hubFlags, http.MethodDelete, "/v1/webhooks/"+url.PathEscape(c.ID), nil, nil); err != nil {
		return err
	}
	_, err := fmt.Fprintf(std.out, "%s is deleted\n", c.ID)
	return err
}
