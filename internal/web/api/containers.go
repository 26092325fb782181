package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"greenlane"
	"greenlane/internal/hub"
)

// ContainerBody is what a terminal knows of a container.
type ContainerBody struct {
	Scope
	Status      string         `json:"status" minLength:"1" maxLength:"100" example:"AVAILABLE"`
	AvailableAt Moment         `json:"availableAt,omitzero" doc:"When it can be picked up."`
	LastFreeDay string         `json:"lastFreeDay,omitempty" maxLength:"40" doc:"A date or RFC 3339 time." example:"2026-06-27"`
	Terminal    string         `json:"terminal,omitempty" maxLength:"200" example:"Pier 400"`
	Holds       []TerminalHold `json:"holds,omitempty" maxItems:"100"`
}

// TerminalHold is a hold as a terminal reports it: an object, or its type alone.
type TerminalHold struct{ ContainerHoldFields }

// ContainerHoldFields are the fields of a terminal's hold.
type ContainerHoldFields struct {
	Type       string `json:"type,omitempty" maxLength:"100" doc:"Required: CUSTOMS, FREIGHT, CARRIER, USDA, FDA, OTHER, or the terminal's own." example:"CUSTOMS"`
	Code       string `json:"code,omitempty" maxLength:"20" example:"1H"`
	ReportedAt string `json:"reportedAt,omitempty" maxLength:"40" doc:"A date or RFC 3339 time." example:"2026-06-20"`
	ResolvedAt string `json:"resolvedAt,omitempty" maxLength:"40" doc:"A date or RFC 3339 time; left out while the hold is active."`
	Remarks    string `json:"remarks,omitempty" maxLength:"1000"`
	AmountDue  Amount `json:"amountDue,omitzero" doc:"What must be paid first, in the terminal's currency."`
}

// UnmarshalJSONFrom reads either form, as strictly as the body around it.
func (h *TerminalHold) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	if d.PeekKind() == '"' {
		return json.UnmarshalDecode(d, &h.Type)
	}
	return json.UnmarshalDecode(d, &h.ContainerHoldFields)
}

// Schema describes both forms.
func (TerminalHold) Schema(r huma.Registry) *huma.Schema {
	one, most := 1, 100
	return &huma.Schema{OneOf: []*huma.Schema{
		{Type: huma.TypeString, MinLength: &one, MaxLength: &most, Description: "The hold's type."},
		r.Schema(reflect.TypeFor[ContainerHoldFields](), true, ""),
	}}
}

func (b *ContainerBody) check() error {
	var c checks
	c.text("body.status", b.Status, 400, true)
	c.moment("body.lastFreeDay", b.LastFreeDay)
	for i, h := range b.Holds {
		at := fmt.Sprintf("body.holds[%d]", i)
		c.text(at+".type", h.Type, 400, true)
		c.moment(at+".reportedAt", h.ReportedAt)
		c.moment(at+".resolvedAt", h.ResolvedAt)
	}
	return c.err()
}

// moment refuses a text that is neither a date nor a time. It is kept as it was
// written: a last free day has no hour.
func (c *checks) moment(location, text string) {
	if text == "" {
		return
	}
	err := new(Moment).UnmarshalText([]byte(text))
	c.when(err != nil, location, text, "%v", err)
}

func (b *ContainerBody) command(id string) greenlane.ReportContainer {
	r := greenlane.ReportContainer{
		ContainerID: id, Status: b.Status, AvailableAt: b.AvailableAt.Time, LastFreeDay: b.LastFreeDay, Terminal: b.Terminal,
	}
	for _, h := range b.Holds {
		r.Holds = append(r.Holds, greenlane.ContainerHold{
			Type: h.Type, Code: h.Code, ReportedAt: h.ReportedAt, ResolvedAt: h.ResolvedAt, Remarks: h.Remarks,
			AmountDue: greenlane.Number(h.AmountDue),
		})
	}
	return r
}

// ContainerView is a container as the API shows it.
type ContainerView struct {
	ContainerID string                `json:"containerId" example:"CSQU3054383"`
	Status      string                `json:"status"`
	AvailableAt *time.Time            `json:"availableAt"`
	LastFreeDay *string               `json:"lastFreeDay"`
	Terminal    *string               `json:"terminal"`
	Holds       []ContainerHoldFields `json:"holds"`
	UpdatedAt   time.Time             `json:"updatedAt"`
	Warnings    []string              `json:"warnings" doc:"What is odd and was accepted: check_digit."`
}

func containerView(c *greenlane.Container) ContainerView {
	v := ContainerView{
		ContainerID: c.ContainerID, Status: c.Status, AvailableAt: orNever(c.AvailableAt), LastFreeDay: orNull(c.LastFreeDay),
		Terminal: orNull(c.Terminal), Holds: make([]ContainerHoldFields, len(c.Holds)), UpdatedAt: c.UpdatedAt, Warnings: []string{},
	}
	for i, h := range c.Holds {
		v.Holds[i] = ContainerHoldFields{
			Type: h.Type, Code: h.Code, ReportedAt: h.ReportedAt, ResolvedAt: h.ResolvedAt, Remarks: h.Remarks, AmountDue: Amount(h.AmountDue),
		}
	}
	if err := greenlane.CheckContainer(c.ContainerID); err != nil {
		v.Warnings = append(v.Warnings, "check_digit: "+err.Error())
	}
	return v
}

type containerPost struct {
	Once
	ContainerID string `path:"containerId" doc:"Container number (ISO 6346)." example:"CSQU3054383"`
	RawBody     []byte `contentType:"application/json"`
}

func (a *API) reportContainer(ctx context.Context, in *containerPost) (*Answer[ContainerView], error) {
	id := greenlane.Ref(greenlane.RefContainer, in.ContainerID).Value
	if err := greenlane.CheckContainer(id); err != nil && !errors.Is(err, greenlane.ErrCheckDigit) {
		return nil, greenlane.InvalidField("path.containerId", in.ContainerID, "%v", err)
	}
	var body ContainerBody
	c, err := a.receive(ctx, http.MethodPost, "/v1/containers/"+id+"/status", in.Once, in.RawBody, &body)
	if err != nil {
		return nil, err
	}
	if err := body.check(); err != nil {
		return nil, err
	}
	return do(a, c, c.unit(body.command(id)), statusOK, func(o *hub.Outcome) ContainerView {
		return containerView(o.Decisions[0].State.(*greenlane.Container))
	})
}

type containerInput struct {
	Known
	ContainerID string `path:"containerId" doc:"Container number (ISO 6346)." example:"CSQU3054383"`
}

type containerOutput struct{ Body ContainerView }

func (a *API) getContainer(ctx context.Context, in *containerInput) (*containerOutput, error) {
	_, state, err := a.find(ctx, greenlane.KindContainer, in.ContainerID, in.Known, greenlane.RefContainer)
	if err != nil {
		return nil, err
	}
	return &containerOutput{containerView(state.(*greenlane.Container))}, nil
}

func (a *API) containerRoutes() {
	const tag = "Containers"
	register(a, operation{method: "POST", path: "/v1/containers/{containerId}/status", id: "report-container", tag: tag,
		summary: "Report a container's status", more: "Replaces the earlier report. A wrong check digit is a warning.",
		role: greenlane.RoleIngest, raw: true}, a.reportContainer)
	describeRaw[ContainerBody](a, "/v1/containers/{containerId}/status")
	register(a, operation{method: "GET", path: "/v1/containers/{containerId}", id: "get-container", tag: tag,
		summary: "Get a container", role: greenlane.RoleRead, errors: []int{404}}, a.getContainer)
}
