package filter

import (
	"encoding/hex"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"time"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"
	"cel.dev/cel-go/interpreter"
	"github.com/go-json-experiment/json"

	"greenlane"
)

// Input is an event as expressions see it. What an expression does not ask for
// is not made, and what one has asked for is kept for the next: an Input is made
// once for all filters that judge an event.
type Input struct {
	event   *greenlane.Event
	account *greenlane.Account
	objects [kinds]object
	// data and detail are decoded when first asked for.
	data, detail payload
}

type payload struct {
	value ref.Val
	err   error
}

// NewInput makes the input of an event of an account.
func NewInput(e *greenlane.Event, a *greenlane.Account) *Input {
	in := &Input{event: e, account: a}
	for k := range in.objects {
		in.objects[k] = object{kind(k), in}
	}
	return in
}

// Event returns the event it was made for.
func (in *Input) Event() *greenlane.Event { return in.event }

// ResolveName implements [interpreter.Activation].
func (in *Input) ResolveName(name string) (any, bool) {
	if name == "event" {
		return &in.objects[kindEvent], true
	}
	return nil, false
}

// Parent implements [interpreter.Activation].
func (in *Input) Parent() interpreter.Activation { return nil }

// decode reads a payload. All numbers are doubles, as CEL has JSON; nothing reads
// as an object without members.
func (p *payload) decode(raw []byte) (ref.Val, error) {
	if p.value == nil && p.err == nil {
		var v any = map[string]any{}
		if len(raw) > 0 {
			p.err = json.Unmarshal(raw, &v)
		}
		p.value = types.DefaultTypeAdapter.NativeToValue(v)
	}
	return p.value, p.err
}

// kind is a sort of object in the envelope.
type kind int

const (
	kindEvent kind = iota
	kindAccount
	kindSubject
	kindSource
	kindCause
	kindReferences
	kinds
)

// typ is the kind's type. Its name is no identifier: nobody can make one.
func (k kind) typ() *cel.Type {
	return cel.ObjectType([...]string{"an event", "an account", "a subject", "a source", "a cause", "references"}[k])
}

// member is a member of the envelope.
type member struct {
	name string
	typ  *cel.Type
	// has reports whether an event has it, always when nil.
	has func(*Input) bool
	// get returns it, or what is empty in its place.
	get func(*Input) (any, error)
}

// envelope lists the members of each kind.
func envelope() [kinds][]member {
	return [kinds][]member{
		kindEvent: eventMembers(),
		kindAccount: {
			text("domain", func(in *Input) string { return in.account.Domain }),
			orEmpty("region", func(in *Input) string { return in.account.Region }),
		},
		kindSubject: {
			text("kind", func(in *Input) string { return in.event.Subject.Kind.String() }),
			text("id", func(in *Input) string { return strconv.FormatInt(in.event.Subject.Number, 10) }),
		},
		kindSource: {
			text("client", func(in *Input) string { return in.event.Source.Client }),
			text("origin", func(in *Input) string { return string(in.event.Source.Origin) }),
		},
		kindCause: {
			orEmpty("kind", func(in *Input) string { return string(in.event.Cause.Kind) }),
			orEmpty("id", func(in *Input) string { return in.event.Cause.ID }),
		},
		kindReferences: referenceMembers(),
	}
}

func eventMembers() []member {
	return []member{
		text("eventId", func(in *Input) string { return in.event.EventID() }),
		{"position", cel.IntType, nil, func(in *Input) (any, error) { return types.Int(in.event.Position), nil }},
		text("hash", func(in *Input) string { return hex.EncodeToString(in.event.Hash[:]) }),
		text("type", func(in *Input) string { return string(in.event.Type) }),
		part("account", kindAccount, nil),
		part("subject", kindSubject, nil),
		orEmpty("exportId", func(in *Input) string { return in.reference(greenlane.RefExportID) }),
		moment("occurredAt", func(in *Input) time.Time { return in.event.OccurredAt }),
		moment("receivedAt", func(in *Input) time.Time { return in.event.ReceivedAt }),
		moment("recordedAt", func(in *Input) time.Time { return in.event.RecordedAt }),
		part("source", kindSource, nil),
		part("cause", kindCause, func(in *Input) bool { return in.event.Cause.Kind != "" }),
		{"late", cel.BoolType, func(in *Input) bool { return in.event.Late },
			func(in *Input) (any, error) { return types.Bool(in.event.Late), nil }},
		part("references", kindReferences, nil),
		{"data", cel.DynType, nil, func(in *Input) (any, error) { return in.data.decode(in.event.Data) }},
		{"detail", cel.DynType, func(in *Input) bool { return len(in.event.Detail) > 0 },
			func(in *Input) (any, error) { return in.detail.decode(in.event.Detail) }},
	}
}

// referenceMembers are the references' names on the wire, of one text or, for
// kinds of which there may be several, a list.
func referenceMembers() []member {
	var list []member
	for _, k := range greenlane.ReferenceKinds() {
		if !k.Plural() {
			list = append(list, orEmpty(k.String(), func(in *Input) string { return in.reference(k) }))
			continue
		}
		list = append(list, member{k.String() + "s", cel.ListType(cel.StringType),
			func(in *Input) bool { return len(in.references(k)) > 0 },
			func(in *Input) (any, error) {
				return types.NewStringList(types.DefaultTypeAdapter, in.references(k)), nil
			}})
	}
	return list
}

func (in *Input) reference(k greenlane.ReferenceKind) string {
	for _, r := range in.event.References {
		if r.Kind == k {
			return r.Value
		}
	}
	return ""
}

func (in *Input) references(k greenlane.ReferenceKind) []string {
	var values []string
	for _, r := range in.event.References {
		if r.Kind == k {
			values = append(values, r.Value)
		}
	}
	return values
}

func text(name string, get func(*Input) string) member {
	return member{name, cel.StringType, nil, func(in *Input) (any, error) { return types.String(get(in)), nil }}
}

// orEmpty is a text that an event may not have.
func orEmpty(name string, get func(*Input) string) member {
	m := text(name, get)
	m.has = func(in *Input) bool { return get(in) != "" }
	return m
}

// moment is a time; one that an event has not got reads as 1970-01-01.
func moment(name string, get func(*Input) time.Time) member {
	return member{name, cel.TimestampType, func(in *Input) bool { return !get(in).IsZero() },
		func(in *Input) (any, error) {
			t := get(in)
			if t.IsZero() {
				t = time.Unix(0, 0)
			}
			return types.Timestamp{Time: t.UTC()}, nil
		}}
}

func part(name string, k kind, has func(*Input) bool) member {
	return member{name, k.typ(), has, func(in *Input) (any, error) { return &in.objects[k], nil }}
}

// provider tells the compiler of the kinds of the envelope.
type provider struct {
	*types.Registry
	members [kinds][]member
}

func (p *provider) kind(name string) (kind, bool) {
	for k := range kinds {
		if k.typ().TypeName() == name {
			return k, true
		}
	}
	return 0, false
}

// FindStructType implements [types.Provider].
func (p *provider) FindStructType(name string) (*types.Type, bool) {
	if k, ok := p.kind(name); ok {
		return types.NewTypeTypeWithParam(k.typ()), true
	}
	return p.Registry.FindStructType(name)
}

// FindStructFieldNames implements [types.Provider].
func (p *provider) FindStructFieldNames(name string) ([]string, bool) {
	k, ok := p.kind(name)
	if !ok {
		return p.Registry.FindStructFieldNames(name)
	}
	var names []string
	for _, m := range p.members[k] {
		names = append(names, m.name)
	}
	return names, true
}

// FindStructFieldType implements [types.Provider].
func (p *provider) FindStructFieldType(name, field string) (*types.FieldType, bool) {
	k, ok := p.kind(name)
	if !ok {
		return p.Registry.FindStructFieldType(name, field)
	}
	i := slices.IndexFunc(p.members[k], func(m member) bool { return m.name == field })
	if i < 0 {
		return nil, false
	}
	m := p.members[k][i]
	return &types.FieldType{
		Type:  m.typ,
		IsSet: func(target any) bool { return m.has == nil || m.has(target.(*Input)) },
		GetFrom: func(target any) (any, error) {
			return m.get(target.(*Input))
		},
	}, true
}

// object is a part of the envelope as a value.
type object struct {
	kind kind
	in   *Input
}

var _ ref.Val = (*object)(nil)
var _ traits.Indexer = (*object)(nil)

// ConvertToNative implements [ref.Val].
func (o *object) ConvertToNative(t reflect.Type) (any, error) {
	return nil, fmt.Errorf("%s is no %s", o.kind.typ().TypeName(), t)
}

// ConvertToType implements [ref.Val].
func (o *object) ConvertToType(t ref.Type) ref.Val {
	if t == types.TypeType {
		return o.kind.typ()
	}
	return types.NewErr("%s is no %s", o.kind.typ().TypeName(), t.TypeName())
}

// Equal implements [ref.Val]. There is one of each kind in an evaluation.
func (o *object) Equal(other ref.Val) ref.Val {
	that, ok := other.(*object)
	return types.Bool(ok && that == o)
}

// Type implements [ref.Val].
func (o *object) Type() ref.Type { return o.kind.typ() }

// Value implements [ref.Val]: what getters of members take.
func (o *object) Value() any { return o.in }

// Get implements [traits.Indexer], for an expression that hides the type behind
// dyn.
func (o *object) Get(index ref.Val) ref.Val {
	return types.NewErr("%s has members and no index; write it without dyn", o.kind.typ().TypeName())
}
