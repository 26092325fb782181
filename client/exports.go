package client

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"
)

// Execution asks for a planned export to be executed.
type Execution struct {
	// BatchID is the batch's id, bat_….
	BatchID string
	// PlanHash, when given, is the plan that was seen; another one is refused.
	PlanHash string
	// Override is why a plan that needs review is executed all the same.
	Override string
	// Wait is how long to wait for the end; the hub waits a minute at most.
	Wait time.Duration
}

// ExecuteExport starts an execution, which happens once however often it is
// asked for, and decodes the export as it is when the wait is over into out
// (nil: ignored), as GET /v1/exports/{id} answers it.
func (c *Client) ExecuteExport(ctx context.Context, x Execution, out any) error {
	body := map[string]any{"batchId": x.BatchID}
	if x.PlanHash != "" {
		body["planHash"] = x.PlanHash
	}
	if x.Override != "" {
		body["override"] = map[string]string{"reason": x.Override}
	}
	encoded, err := json.Marshal(body)
	if err != nil {
		return err
	}
	r := request{
		method: http.MethodPost, path: "/v1/exports/execute", body: bytes.NewReader(encoded), contentType: "application/json",
	}
	if seconds := int((x.Wait + time.Second - 1) / time.Second); seconds > 0 {
		r.header = http.Header{"Prefer": {fmt.Sprintf("wait=%d", seconds)}}
	}
	return c.exchange(ctx, r, out)
}

// Artifact opens a document of a customs package. What is read must be closed.
func (c *Client) Artifact(ctx context.Context, packageID, filename string) (io.ReadCloser, error) {
	path := "/v1/customs-packages/" + url.PathEscape(packageID) + "/artifacts/" + url.PathEscape(filename)
	resp, err := c.do(ctx, request{method: http.MethodGet, path: path})
	if err != nil {
		return nil, err
	}
	return resp.Body, nil
}
