// Package doctor says what is wrong with a hub's database, and what to do.
//
// [Examine] asks a [store.Health] for facts, one kind after the other. What each
// means is decided by functions of facts alone: schema.go judges the schema and the
// log, delivery.go who reads it and where it goes, host.go the server or the file
// and its disk, secrets.go the keys; words.go has what they say it with.
package doctor

import (
	"context"
	"errors"
	"time"

	"greenlane"
	"greenlane/internal/store"
	"greenlane/internal/store/sealed"
)

// Verdict is how bad something is.
type Verdict string

// The verdicts, from good to bad.
const (
	// OK is as it should be.
	OK Verdict = "ok"
	// Skip was not looked at.
	Skip Verdict = "skip"
	// Warn may become a failure, or can't be told.
	Warn Verdict = "warn"
	// Fail keeps the hub from working, or loses something.
	Fail Verdict = "fail"
)

// Finding is what a check found. A check may find several things.
type Finding struct {
	Check   string  `json:"check"`
	Verdict Verdict `json:"verdict"`
	// Found says what there is, and Advice what to do about it, empty when nothing
	// is. Commands do it, or look closer.
	Found    string   `json:"found"`
	Advice   string   `json:"advice,omitzero"`
	Commands []string `json:"commands,omitzero"`
}

// Report is what an examination found, in the order in which it is best read.
type Report struct {
	Findings []Finding `json:"findings"`
	Warnings int       `json:"warnings"`
	Failures int       `json:"failures"`
}

// Add puts findings at the end.
func (r *Report) Add(findings ...Finding) {
	for _, f := range findings {
		switch f.Verdict {
		case Warn:
			r.Warnings++
		case Fail:
			r.Failures++
		}
	}
	r.Findings = append(r.Findings, findings...)
}

// Options say how to examine.
type Options struct {
	// Clock is this machine's.
	Clock greenlane.Clock
	// Shared: it is a server's database, which several processes may work with.
	Shared bool
	// Deep reads the whole database, where its engine can.
	Deep bool
	// MaxLanes is how many open lanes an endpoint may have.
	MaxLanes int
	// Presence begins the names of leases that say no more than that a hub lives: when
	// one ends, nothing is left undone.
	Presence string
	// Keys decrypt secrets, the one that encrypts first; nil when none are at hand.
	Keys []*sealed.Key
}

// Examine looks at everything. Its error is that of ctx; what can't be looked at is
// a finding.
func Examine(ctx context.Context, h store.Health, o Options) (*Report, error) {
	e := examination{ctx: ctx, options: o, now: o.Clock(), report: &Report{Findings: []Finding{}}}
	look(&e, "schema", h.Schema, e.schema)
	look(&e, "migration", h.Restoration, e.migration)
	if !e.filling {
		look(&e, "log", h.Ends, e.log)
		look(&e, "readers", h.Readers, e.readers)
		look(&e, "endpoints", h.Destinations, e.endpoints)
		look(&e, "messages", h.OpenMessages, e.messages)
	}
	host := "file"
	if o.Shared {
		host = "server"
	}
	look(&e, host, func(ctx context.Context) (store.Host, error) { return h.Host(ctx, o.Clock) }, e.host)
	look(&e, "leases", h.Leases, e.leases)
	look(&e, "disk", h.Space, e.space)
	if !e.filling {
		look(&e, "retention", h.Ages, e.ages)
		look(&e, "secrets", h.Confidential, e.secrets)
	}
	look(&e, "pages", func(ctx context.Context) (pages, error) {
		if !o.Deep {
			return pages{}, nil
		}
		wrong, checked, err := h.Pages(ctx)
		return pages{wrong, checked}, err
	}, e.pages)
	return e.report, ctx.Err()
}

// examination is one that goes on.
type examination struct {
	ctx     context.Context
	options Options
	// now is when it began.
	now    time.Time
	report *Report
	// foreign: the schema is another version's, so that little can be asked.
	foreign bool
	// filling: a hub's data is not all there yet, so that nothing can be said of it.
	filling bool
}

// look asks for facts and judges them.
func look[T any](e *examination, check string, ask func(context.Context) (T, error), judge func(T) []Finding) {
	facts, err := ask(e.ctx)
	switch {
	case e.ctx.Err() != nil:
	case err != nil:
		e.report.Add(e.unable(check, err))
	default:
		e.report.Add(judge(facts)...)
	}
}

// unable says that something can't be looked at.
func (e *examination) unable(check string, err error) Finding {
	switch {
	case e.foreign:
		return Finding{Check: check, Verdict: Skip, Found: "can't be looked at in a schema of another version"}
	case errors.Is(err, store.ErrBroken):
		return Finding{Check: check, Verdict: Fail, Found: err.Error(), Advice: restore}
	}
	return Finding{Check: check, Verdict: Warn, Found: "can't be looked at: " + err.Error(),
		Advice: "Look at what failed above first. If it is a right that is missing, give it to the role, or examine as the database's owner."}
}
