package api

import (
	"context"
	"io"
	"maps"
	"net/http"
	"sync"
	"time"

	"github.com/go-json-experiment/json"

	"greenlane/internal/store"
	"greenlane/internal/web"
)

const (
	// othersPatience is how long a list waits for what other nodes know.
	othersPatience = 2 * time.Second
	// maxOthers bounds another node's answer, in bytes.
	maxOthers = 16 << 20
)

// othersStatuses returns how endpoints are doing that this node does not serve: as their
// nodes say, which are put the request at hand, else as it was recorded last.
func (a *API) othersStatuses(ctx context.Context, rows []*store.Endpoint) (map[int64]WebhookStatus, error) {
	out := map[int64]WebhookStatus{}
	if relay := web.RelayOf(ctx); relay != nil {
		a.askOthers(ctx, relay, rows, out)
	}
	for _, row := range rows {
		if _, ok := out[row.Number]; ok {
			continue
		}
		s, err := a.engine.Recorded(ctx, row)
		if err != nil {
			return nil, err
		}
		out[row.Number] = webhookStatus(row, s)
	}
	return out, nil
}

// askOthers asks each node once. One that does not answer is passed over.
func (a *API) askOthers(ctx context.Context, relay *web.Relay, rows []*store.Endpoint, out map[int64]WebhookStatus) {
	ctx, cancel := context.WithTimeout(ctx, othersPatience)
	defer cancel()
	served := map[string][]*store.Endpoint{}
	for _, row := range rows {
		if address, err := relay.Owner(ctx, row.Number); err == nil && address != "" {
			served[address] = append(served[address], row)
		}
	}
	var mu sync.Mutex
	var all sync.WaitGroup
	for address, rows := range served {
		all.Go(func() {
			statuses, err := askNode(ctx, relay, address)
			if err != nil {
				a.log.Warn("another node did not say how its endpoints are doing", "request", web.RequestID(ctx), "node", address, "error", err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			for _, row := range rows {
				if s, ok := statuses[row.EndpointID()]; ok {
					out[row.Number] = s
				}
			}
		})
	}
	all.Wait()
}

// askNode returns how another node says that its endpoints are doing, by their ids.
func askNode(ctx context.Context, relay *web.Relay, address string) (map[string]WebhookStatus, error) {
	answer, err := relay.Ask(ctx, address)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return nil, &web.Problem{Status: answer.StatusCode, Detail: answer.Status}
	}
	var page struct {
		Data []struct {
			ID     string        `json:"id"`
			Status WebhookStatus `json:"status"`
		} `json:"data"`
	}
	if err := json.UnmarshalRead(io.LimitReader(answer.Body, maxOthers), &page); err != nil {
		return nil, err
	}
	out := map[string]WebhookStatus{}
	for _, v := range page.Data {
		out[v.ID] = v.Status
	}
	return out, nil
}

// endpointStatuses returns how endpoints of an account are doing, by number,
// whichever node serves them.
func (a *API) endpointStatuses(ctx context.Context, account int64, rows []*store.Endpoint) (map[int64]WebhookStatus, error) {
	own, err := a.engine.Statuses(ctx, account)
	if err != nil {
		return nil, err
	}
	out := map[int64]WebhookStatus{}
	var others []*store.Endpoint
	for _, row := range rows {
		if s, ok := own[row.Number]; ok {
			out[row.Number] = webhookStatus(row, s)
		} else {
			others = append(others, row)
		}
	}
	if len(others) == 0 {
		return out, nil
	}
	theirs, err := a.othersStatuses(ctx, others)
	maps.Copy(out, theirs)
	return out, err
}
