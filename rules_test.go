package greenlane_test

import (
	"encoding/json"
	"errors"
	"testing"

	"greenlane"
)

// ruled are the kinds of subject that have rules.
var ruled = []greenlane.SubjectKind{
	greenlane.KindDeclaration, greenlane.KindShipment, greenlane.KindEntry, greenlane.KindContainer,
	greenlane.KindConsignment, greenlane.KindEndpoint, greenlane.KindAccount,
}

func TestNewState(t *testing.T) {
	t.Parallel()
	for _, kind := range ruled {
		state := greenlane.NewState(kind)
		stored, err := greenlane.EncodeState(state)
		if err != nil {
			t.Fatal(err)
		}
		back, err := greenlane.DecodeState(kind, stored)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := greenlane.EncodeState(back); err != nil || string(again) != string(stored) {
			t.Errorf("%s is stored as %s, then as %s, %v", kind, stored, again, err)
		}
		if _, err := greenlane.DecodeState(kind, []byte(`[]`)); err == nil {
			t.Errorf("a list is the state of a %s", kind)
		}
	}
	if greenlane.NewState(0) != nil || greenlane.NewState(200) != nil {
		t.Error("a kind without rules has a state")
	}
	if _, err := greenlane.DecodeState(200, []byte(`{}`)); err == nil {
		t.Error("a kind without rules has a stored state")
	}
}

// strange is a command no subject has a rule for.
type strange struct{ kind greenlane.SubjectKind }

func (c strange) Target(greenlane.Neighbours) (greenlane.Target, error) {
	return greenlane.Target{Kind: c.kind, Number: 1, Create: true}, nil
}

// TestStatesRefuseWhatIsNotTheirs: a command or an event of another kind is a
// fault of ours, told as an error and never as a panic.
func TestStatesRefuseWhatIsNotTheirs(t *testing.T) {
	t.Parallel()
	for _, kind := range ruled {
		w := newWorld(t)
		env := &greenlane.Env{Neighbours: w, Now: w.now, Self: greenlane.Subject{Kind: kind, Number: 1}, Account: &greenlane.Account{}}
		if _, err := greenlane.NewState(kind).Decide(env, strange{kind}); err == nil {
			t.Errorf("a %s decided a strange command", kind)
		}
		foreign := 0
		for _, info := range greenlane.EventTypes() {
			e := greenlane.Event{Position: 3, Type: info.Type, Subject: env.Self, Body: info.Example}
			_, err := greenlane.NewState(kind).Apply(&e)
			var public *greenlane.Error
			if errors.As(err, &public) {
				t.Errorf("a %s shows callers that it can't fold %s", kind, info.Type)
			}
			if err != nil {
				foreign++
			}
		}
		if foreign == 0 {
			t.Errorf("a %s folds every type there is", kind)
		}
		if _, err := greenlane.NewState(kind).Apply(&greenlane.Event{Type: "declaration.dreamt"}); err == nil {
			t.Errorf("a %s folds an event without a body", kind)
		}
	}
}

// TestEveryTypeHasAFold holds that the kinds an event type is for can fold it.
func TestEveryTypeHasAFold(t *testing.T) {
	t.Parallel()
	for _, info := range greenlane.EventTypes() {
		state := greenlane.NewState(info.Subject)
		if state == nil {
			t.Errorf("%s is for subjects of kind %s, which has no rules", info.Type, info.Subject)
			continue
		}
		if info.Subject == greenlane.KindNotification {
			// An attempt ends that was begun.
			state = &greenlane.Notification{Attempts: make([]greenlane.NotificationAttempt, 1)}
		}
		e := greenlane.Event{Type: info.Type, Subject: greenlane.Subject{Kind: info.Subject, Number: 1}, OccurredAt: issued, Body: info.Example}
		if _, err := state.Apply(&e); err != nil {
			t.Errorf("%s: %v", info.Type, err)
		}
	}
}

func TestText(t *testing.T) {
	t.Parallel()
	for text, want := range map[greenlane.Text]string{"": "null", "a": `"a"`, `"`: `"\""`, "Zürich": `"Zürich"`} {
		b, err := json.Marshal(text)
		if err != nil || string(b) != want {
			t.Errorf("%q is written as %s, %v", text, b, err)
		}
		var back greenlane.Text
		if err := json.Unmarshal(b, &back); err != nil || back != text {
			t.Errorf("%s is read as %q, %v", b, back, err)
		}
	}
	var text greenlane.Text
	if err := json.Unmarshal([]byte(`5`), &text); err == nil {
		t.Errorf("a number is the text %q", text)
	}
}

// FuzzDecodeState reads damaged states. Whatever can be read can be written,
// looked at and asked for its references.
func FuzzDecodeState(f *testing.F) {
	w := newWorld(f)
	w.must(greenlane.CreateDeclaration{LRN: "LRN-1"})
	for _, r := range []greenlane.Response{registered, accepted, detained, cleared} {
		w.must(greenlane.RecordResponse{Response: r})
	}
	record(w, act(0, "1H"), act(1, "1C"))
	w.must(greenlane.ReportContainer{ContainerID: "CSQU3054383", Status: "AVAILABLE"})
	for s, state := range w.states {
		f.Add(uint8(s.Kind), []byte(w.encode(state)))
	}
	f.Add(uint8(greenlane.KindDeclaration), []byte(`null`))
	f.Fuzz(func(t *testing.T, kind uint8, stored []byte) {
		state, err := greenlane.DecodeState(greenlane.SubjectKind(kind), stored)
		if err != nil {
			return
		}
		first, err := greenlane.EncodeState(state)
		if err != nil {
			return
		}
		_ = state.References()
		_ = state.Clearance()
		again, err := greenlane.DecodeState(greenlane.SubjectKind(kind), first)
		if err != nil {
			t.Fatalf("what was written can't be read: %v", err)
		}
		if second, err := greenlane.EncodeState(again); err != nil || string(second) != string(first) {
			t.Fatalf("%s is written again as %s, %v", first, second, err)
		}
		decideOn(t, greenlane.SubjectKind(kind), state)
	})
}

// decideOn asks a state whatever a caller could.
func decideOn(t *testing.T, kind greenlane.SubjectKind, state greenlane.State) {
	w := newWorld(t)
	env := &greenlane.Env{
		Neighbours: w, Now: w.now, ReceivedAt: w.now, Self: greenlane.Subject{Kind: kind, Number: 1},
		Account: &greenlane.Account{Domain: "example.com"},
	}
	for _, c := range []greenlane.Command{
		greenlane.RecordResponse{Response: controlled}, greenlane.ReportStatus{Number: 1, Status: greenlane.StatusReleased},
		greenlane.SendOutbound{Number: 1, Purpose: greenlane.OutboundInvalidation}, greenlane.ValidateDeclaration{Number: 1},
		greenlane.RecordActivities{Shipment: seedShipment(), Activities: []greenlane.NewActivity{act(0, "1H")}},
		greenlane.CloseHold{Number: 1, HoldID: "1H-1", Reason: "by phone"}, greenlane.TrackShipment{Key: seedShipment()},
		greenlane.DeriveShipment{Number: 1, At: w.now}, greenlane.ReportContainer{ContainerID: "CSQU3054383", Status: "AVAILABLE"},
	} {
		_, _ = state.Decide(env, c)
	}
}
