package client

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"time"
)

// MessageAnswer says what became of a customs message.
type MessageAnswer struct {
	MessageID string          `json:"messageId"`
	Digest    string          `json:"digest"`
	Format    string          `json:"format"`
	Duplicate bool            `json:"duplicate"`
	Results   []MessageResult `json:"results"`
}

// MessageResult is what became of one response of a message.
type MessageResult struct {
	MessageType  string     `json:"messageType"`
	FunctionCode string     `json:"functionCode,omitempty"`
	IssuedAt     *time.Time `json:"issuedAt,omitempty"`
	LRN          string     `json:"lrn,omitempty"`
	MRN          string     `json:"mrn,omitempty"`
	EntryNumber  string     `json:"entryNumber,omitempty"`
	BillNumbers  []string   `json:"billNumbers,omitempty"`
	// Outcome is applied, duplicate, late, unmatched, ignored or error.
	Outcome  string   `json:"outcome"`
	Subject  *Subject `json:"subject,omitempty"`
	Status   string   `json:"status,omitempty"`
	Events   []string `json:"events"`
	Warnings []string `json:"warnings"`
}

// SendMessage posts an authority's message as it is. Without create, a response
// about an unknown subject waits for it. format "" lets the hub find out.
func (c *Client) SendMessage(ctx context.Context, raw []byte, format string, create bool) (*MessageAnswer, error) {
	q := url.Values{}
	if format != "" {
		q.Set("format", format)
	}
	if !create {
		q.Set("create", "false")
	}
	resp, err := c.do(ctx, request{
		method: http.MethodPost, path: "/v1/customs/messages", query: q, body: bytes.NewReader(raw),
		contentType: "application/octet-stream",
	})
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	var answer MessageAnswer
	return &answer, json.NewDecoder(resp.Body).Decode(&answer)
}
