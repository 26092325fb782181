package main

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"

	"greenlane"
	"greenlane/client"
	"greenlane/internal/delivery"
)

// readEvent makes of an event in its canonical form the one that the hub wrote
// it from, and its account. What the canonical form does not tell, the subject's
// version and the consignment, is left out. exact reports whether it is written
// again byte for byte: if not, the hub has another form than this program.
func readEvent(e client.Event) (event *greenlane.Event, account *greenlane.Account, exact bool, err error) {
	event = &greenlane.Event{
		Position: e.Position, Type: greenlane.EventType(e.Type), OccurredAt: e.OccurredAt, RecordedAt: e.RecordedAt,
		Source: greenlane.Source{Client: e.Source.Client, Origin: greenlane.Origin(e.Source.Origin)},
		Late:   e.Late, Data: e.Data, Detail: e.Detail,
	}
	if event.ID, err = greenlane.ParseID(greenlane.EventPrefix, e.EventID); err != nil {
		return nil, nil, false, err
	}
	if event.Subject, err = greenlane.ParseSubject(e.Subject.String()); err != nil {
		return nil, nil, false, err
	}
	if n, err := hex.Decode(event.Hash[:], []byte(e.Hash[:min(len(e.Hash), 2*len(event.Hash))])); err != nil || n != len(event.Hash) {
		return nil, nil, false, fmt.Errorf("%q is no hash", e.Hash)
	}
	if e.ReceivedAt != nil {
		event.ReceivedAt = *e.ReceivedAt
	}
	if e.Cause != nil {
		event.Cause = greenlane.Cause{Kind: greenlane.CauseKind(e.Cause.Kind), ID: e.Cause.ID}
	}
	if event.References, err = readReferences(e.Raw); err != nil {
		return nil, nil, false, err
	}
	account = &greenlane.Account{Domain: e.Account.Domain}
	if e.Account.Region != nil {
		account.Region = *e.Account.Region
	}
	return event, account, bytes.Equal(delivery.Canonical(event, account), e.Raw), nil
}

// readReferences reads the references of a canonical event in their order, which
// a map would lose.
func readReferences(raw []byte) ([]greenlane.Reference, error) {
	var e struct{ References json.RawMessage }
	if err := json.Unmarshal(raw, &e); err != nil || len(e.References) == 0 {
		return nil, err
	}
	var refs []greenlane.Reference
	members := json.NewDecoder(bytes.NewReader(e.References))
	if _, err := members.Token(); err != nil { // the brace
		return nil, err
	}
	for members.More() {
		name, err := members.Token()
		if err != nil {
			return nil, err
		}
		var value json.RawMessage
		if err := members.Decode(&value); err != nil {
			return nil, err
		}
		more, err := readReference(fmt.Sprint(name), value)
		if err != nil {
			return nil, err
		}
		refs = append(refs, more...)
	}
	return refs, nil
}

// readReference reads the references of one kind: a text, or a list of texts
// under the kind's name with an s.
func readReference(name string, value json.RawMessage) ([]greenlane.Reference, error) {
	var values []string
	kind, ok := greenlane.ParseReferenceKind(name)
	if ok {
		values = make([]string, 1)
		if err := json.Unmarshal(value, &values[0]); err != nil {
			return nil, err
		}
	} else {
		if kind, ok = greenlane.ParseReferenceKind(strings.TrimSuffix(name, "s")); !ok {
			return nil, fmt.Errorf("%q is no kind of reference", name)
		}
		if err := json.Unmarshal(value, &values); err != nil {
			return nil, err
		}
	}
	refs := make([]greenlane.Reference, len(values))
	for i, v := range values {
		refs[i] = greenlane.Reference{Kind: kind, Value: v}
	}
	return refs, nil
}
