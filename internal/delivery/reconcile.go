package delivery

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"

	"greenlane/internal/store"
)

// Reconciliation is what became of the events of a range that an endpoint was to
// get. Each position is judged by the settings that held for it.
type Reconciliation struct {
	// From and To bound the range, inclusive; To may be below what was asked for,
	// see Next.
	From, To int64
	// Matched counts the events the endpoint wants, States what became of them.
	Matched int
	States  map[DeliveryState]int
	// Digest is the SHA-256, in lower-case hexadecimal, of the ids of the delivered
	// events (webhook-id), in the order of their positions, each followed by a line
	// feed. A receiver computes the same from its own list.
	Digest string
	// Open are the first of those that are not delivered.
	Open []*Delivery
	// Next is where to go on when the range was too long for one answer, else 0.
	Next int64
}

const (
	// reconcileScan is how many events one answer looks at, reconcileOpen how many
	// it lists that are not delivered.
	reconcileScan = 50_000
	reconcileOpen = 100
)

// Reconcile judges a range of positions for an endpoint; to 0 means the end of the
// log.
func (e *Engine) Reconcile(ctx context.Context, account, endpoint, from, to int64) (*Reconciliation, error) {
	v, err := e.view(ctx, account, endpoint)
	if err != nil {
		return nil, err
	}
	if head := e.hub.Head(); to == 0 || to > head {
		to = head
	}
	r := &Reconciliation{From: max(from, v.history[0].From+1), To: to, States: map[DeliveryState]int{}}
	digest := sha256.New()
	after := r.From - 1
	for looked := 0; after < to; {
		page, err := e.store.Events(ctx, store.EventQuery{Account: account, After: after, Before: to + 1, Limit: 500})
		if err != nil {
			return nil, err
		}
		list, err := e.judge(ctx, v, page.Events)
		if err != nil {
			return nil, err
		}
		for _, d := range list {
			if d.Generation > 1 && v.arrived(d) {
				d.State = DeliveryDelivered
			}
			r.count(d, digest)
		}
		if !page.More {
			break
		}
		if after, looked = page.Reached, looked+len(page.Events); looked >= reconcileScan {
			r.To, r.Next = after, after+1
			break
		}
	}
	r.Digest = hex.EncodeToString(digest.Sum(nil))
	return r, nil
}

// arrived reports whether an event was acknowledged once, whatever became of
// sending it again. Where the attempts have expired, the cursor tells.
func (v *view) arrived(d *Delivery) bool {
	return d.Last != nil && d.Last.Done || v.skips.of(d.Event) == nil && v.past(d.Event)
}

func (r *Reconciliation) count(d *Delivery, digest io.Writer) {
	r.Matched++
	r.States[d.State]++
	if d.State == DeliveryDelivered {
		_, _ = io.WriteString(digest, d.Event.EventID()+"\n") // a hash takes everything
	} else if len(r.Open) < reconcileOpen {
		r.Open = append(r.Open, d)
	}
}
