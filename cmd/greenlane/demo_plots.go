package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"
)

// demoPlot is what happens in a story.
type demoPlot func(s *demoStory, ctx context.Context) error

// demoPlots are all there are, in the order in which the first stories show
// them.
var demoPlots = [...]demoPlot{
	abroad,
	exported,
	tracked(said("3Z", "2H", "1C", "2I")),
	documents,
	examined,
	corrected,
	cleared(filing{direction: "IMPORT", word: "CONTROL"}),
	heldLate,
	mended,
	detoured,
	presented,
	tracked(said("3Z", "1Y", "1C")),
	overridden,
	tracked(said("1H", "7H", "1I", "1C", "7I")),
	withdrawn,
	cleared(filing{direction: "EXPORT"}),
	tracked(said("2O", "4O", "1C")),
	tracked(said("3Z", "1A", "1B")),
	cleared(filing{direction: "IMPORT"}),
	tracked(said("A3", "A1", "1C")),
}

// heldLate is a bill of which a hold that was placed before the release is told
// after it.
func heldLate(s *demoStory, ctx context.Context) error {
	return tracked([]cbpStep{{code: "3Z"}, {code: "1C"}, {code: "1H", late: time.Minute}, {code: "1I"}})(s, ctx)
}

// abroad is an export whose goods then enter the United States: declaration,
// shipment and entry have one timeline.
func abroad(s *demoStory, ctx context.Context) error {
	declaration, err := s.declare(ctx, filing{direction: "EXPORT"})
	if err == nil {
		err = s.await(ctx, declaration, "completed")
	}
	if err = errors.Join(err, s.rest(ctx)); err != nil {
		return err
	}
	return s.entering(ctx, said("3Z", "1H", "1C", "1I"))
}

// cleared is a declaration that customs brings to its end without help.
func cleared(f filing) demoPlot {
	return func(s *demoStory, ctx context.Context) error {
		declaration, err := s.declare(ctx, f)
		if err != nil {
			return err
		}
		return s.await(ctx, declaration, "completed")
	}
}

// documents is an import for which customs wants to see papers.
func documents(s *demoStory, ctx context.Context) error {
	declaration, err := s.declare(ctx, filing{direction: "IMPORT", word: "DOCUMENTS"})
	if err == nil {
		err = s.await(ctx, declaration, "control")
	}
	if err = errors.Join(err, s.rest(ctx), s.rest(ctx)); err != nil {
		return err
	}
	text := fmt.Sprintf("Invoice for %s\n", s.purchaseOrder())
	err = s.submit(ctx, declaration, "documents", map[string]any{"documents": []any{map[string]any{
		"code": "N935", "filename": "invoice.txt", "description": "Commercial invoice",
		"contentBase64": base64.StdEncoding.EncodeToString([]byte(text)),
	}}})
	if err != nil {
		return err
	}
	return s.await(ctx, declaration, "completed")
}

// mended is a declaration that customs rejects, and accepts once it is changed.
func mended(s *demoStory, ctx context.Context) error {
	declaration, err := s.declare(ctx, filing{direction: "EXPORT", word: "REJECT"})
	if err == nil {
		err = s.await(ctx, declaration, "invalid")
	}
	if err = errors.Join(err, s.rest(ctx), s.rest(ctx)); err != nil {
		return err
	}
	change := map[string]any{"commercialReference": s.reference("")}
	if err := s.ask(ctx, "corrections", http.MethodPatch, fmt.Sprintf("/v1/declarations/%d", declaration), change, nil); err != nil {
		return err
	}
	if err := s.submit(ctx, declaration, "send", nil); err != nil {
		return err
	}
	return s.await(ctx, declaration, "completed")
}

// presented is a declaration lodged before its goods arrive.
func presented(s *demoStory, ctx context.Context) error {
	declaration, err := s.declare(ctx, filing{direction: "IMPORT", prelodged: true})
	if err = errors.Join(err, s.rest(ctx), s.rest(ctx), s.rest(ctx)); err != nil {
		return err
	}
	if err := s.submit(ctx, declaration, "present", nil); err != nil {
		return err
	}
	return s.await(ctx, declaration, "completed")
}

// withdrawn is a pre-lodged declaration whose goods never come.
func withdrawn(s *demoStory, ctx context.Context) error {
	declaration, err := s.declare(ctx, filing{direction: "IMPORT", prelodged: true})
	if err = errors.Join(err, s.rest(ctx), s.rest(ctx)); err != nil {
		return err
	}
	if err := s.submit(ctx, declaration, "cancel", map[string]any{"reason": "the goods were not shipped"}); err != nil {
		return err
	}
	return s.await(ctx, declaration, "canceled")
}

// elsewhere is the LRN of a declaration that another system filed: the hub knows
// it from customs' messages alone.
func (s *demoStory) elsewhere() string { return fmt.Sprintf("EXT-%d", s.number()) }

// hand posts one of customs' messages and returns whether the hub had it before,
// and what became of it.
func (s *demoStory) hand(ctx context.Context, raw []byte) (duplicate bool, outcome string, err error) {
	s.stage.asked("customs messages")
	answer, err := s.hub.SendMessage(ctx, raw, "", true)
	if err != nil {
		return false, "", fmt.Errorf("customs message: %w", err)
	}
	if shown, err := json.Marshal(answer); err == nil {
		s.stage.answered(http.MethodPost, messagesPath, shown)
	}
	if len(answer.Results) != 1 {
		return false, "", fmt.Errorf("customs message %s has %d results", answer.MessageID, len(answer.Results))
	}
	return answer.Duplicate, answer.Results[0].Outcome, nil
}

// handAll posts messages, one after the other.
func (s *demoStory) handAll(ctx context.Context, notices ...wcoNotice) error {
	for _, n := range notices {
		_, _, err := s.hand(ctx, s.message(n, s.elsewhere(), s.now()))
		if err = errors.Join(err, s.rest(ctx)); err != nil {
			return err
		}
	}
	return nil
}

// filedElsewhere is a declaration that the hub knows from customs alone.
func filedElsewhere(notices ...wcoNotice) demoPlot {
	return func(s *demoStory, ctx context.Context) error { return s.handAll(ctx, notices...) }
}

// examined is a declaration filed by another system. One of its messages comes
// twice.
func examined(s *demoStory, ctx context.Context) error {
	if err := s.handAll(ctx, wcoReceived, wcoAccepted, wcoControl); err != nil {
		return err
	}
	if err := s.handTwice(ctx, wcoCleared); err != nil {
		return err
	}
	return s.handAll(ctx, wcoFinalTax)
}

// doubled is a declaration whose release comes twice.
func doubled(s *demoStory, ctx context.Context) error {
	if err := s.handAll(ctx, wcoReceived, wcoAccepted); err != nil {
		return err
	}
	return s.handTwice(ctx, wcoCleared)
}

// handTwice posts the same message twice; the second time it must do nothing.
func (s *demoStory) handTwice(ctx context.Context, n wcoNotice) error {
	raw := s.message(n, s.elsewhere(), s.now())
	for _, again := range []bool{false, true} {
		duplicate, _, err := s.hand(ctx, raw)
		if err == nil && duplicate != again {
			err = fmt.Errorf("customs message, sent again: %v, was taken for a duplicate: %v", again, duplicate)
		}
		if err = errors.Join(err, s.rest(ctx)); err != nil {
			return err
		}
	}
	s.stage.say("declaration "+s.elsewhere(), "DUPLICATE", "%s came twice and counts once", n.Name)
	return nil
}

// detoured is a declaration whose acceptance arrives after its release.
func detoured(s *demoStory, ctx context.Context) error {
	if err := s.handAll(ctx, wcoReceived); err != nil {
		return err
	}
	accepted := s.message(wcoAccepted, s.elsewhere(), s.now())
	// Customs' times are in whole seconds.
	if err := pause(ctx, time.Second); err != nil {
		return err
	}
	if err := s.handAll(ctx, wcoCleared); err != nil {
		return err
	}
	_, outcome, err := s.hand(ctx, accepted)
	if err == nil && outcome != "late" {
		err = fmt.Errorf("a customs message that came late was taken for %s", outcome)
	}
	if err = errors.Join(err, s.rest(ctx)); err != nil {
		return err
	}
	return s.handAll(ctx, wcoFinalTax)
}
