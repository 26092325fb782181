package delivery

import (
	"context"
	"net/http"
	"net/http/httptrace"
	"strconv"
	"sync/atomic"

	"greenlane/internal/store"
)

// Post sends a JSON body that is no event to a URL: signed as the Standard Webhooks
// specification has it, through the same guard, within the same limits and with
// the same words for failures as [Sender.Send]. The same id on every try lets the
// receiver know a repetition, which is the caller's to decide on: nothing that may
// have arrived goes out again by itself. Answer.Uncertain says whether a failure
// may have arrived.
func (s *Sender) Post(ctx context.Context, url, id string, secrets []store.Secret, body []byte) *Answer {
	at := s.clock()
	header := http.Header{
		"Content-Type":      {"application/json"},
		"User-Agent":        {s.userAgent},
		"Webhook-Id":        {id},
		"Webhook-Timestamp": {strconv.FormatInt(at.Unix(), 10)},
		"Webhook-Signature": {signature(secrets, id, at, body)},
	}
	// Where a request breaks off after its head, all of it may have arrived, unless
	// writing it failed. On doubt it may: the transport reports the end of a request
	// only after it wrote it.
	var written atomic.Bool
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		WroteHeaders: func() { written.Store(true) },
		WroteRequest: func(info httptrace.WroteRequestInfo) { written.Store(info.Err == nil) },
	})
	a, _ := s.exchange(ctx, http.MethodPost, url, header, body)
	a.Uncertain = a.Status == 0 && written.Load()
	return a
}
