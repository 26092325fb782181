package greenlane

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
)

// SubjectKind says what sort of thing a subject is.
type SubjectKind uint8

// The kinds of subject. Their numbers are stored; never renumber them.
const (
	KindOrder       SubjectKind = 1
	KindExport      SubjectKind = 2
	KindDeclaration SubjectKind = 3
	KindShipment    SubjectKind = 4
	KindEntry       SubjectKind = 5
	KindContainer   SubjectKind = 6
	KindConsignment SubjectKind = 7
	KindEndpoint    SubjectKind = 8
	KindAccount     SubjectKind = 9
	KindProduct     SubjectKind = 10
	KindWarehouse   SubjectKind = 11
	KindBroker      SubjectKind = 12
	// KindNotification is what one side is told of an export.
	KindNotification SubjectKind = 13
)

var kindNames = [...]string{
	KindOrder:        "order",
	KindExport:       "export",
	KindDeclaration:  "declaration",
	KindShipment:     "shipment",
	KindEntry:        "entry",
	KindContainer:    "container",
	KindConsignment:  "consignment",
	KindEndpoint:     "endpoint",
	KindAccount:      "account",
	KindProduct:      "product",
	KindWarehouse:    "warehouse",
	KindBroker:       "broker",
	KindNotification: "notification",
}

// String returns the kind's name on the wire, for example "declaration".
func (k SubjectKind) String() string {
	if int(k) < len(kindNames) && kindNames[k] != "" {
		return kindNames[k]
	}
	return "kind" + strconv.Itoa(int(k))
}

// SubjectKinds returns the names of all kinds.
func SubjectKinds() []string {
	var names []string
	for _, name := range kindNames {
		if name != "" {
			names = append(names, name)
		}
	}
	return names
}

// ParseSubjectKind is the reverse of String.
func ParseSubjectKind(name string) (SubjectKind, bool) {
	for k, n := range kindNames {
		if n == name && n != "" {
			return SubjectKind(k), true
		}
	}
	return 0, false
}

// Subject names one thing with a life in the log. Numbers are handed out in
// order over the whole hub, so the number of a declaration is its public
// declarationId and recent subjects lie together in every store. A consignment
// has the number of the subject that founded it; an account has its own.
type Subject struct {
	Kind   SubjectKind
	Number int64
}

// MaxNumber is the largest number an [ID] carries, and so the largest a subject
// can have.
const MaxNumber = 1<<48 - 1

// kindBits is the room a kind takes in a subject's key.
const kindBits = 5

// Key packs the subject into one integer, the form stores use. Keys of one
// kind sort by number, and keys of different kinds never meet.
func (s Subject) Key() int64 { return s.Number<<kindBits | int64(s.Kind) }

// SubjectFromKey is the reverse of [Subject.Key].
func SubjectFromKey(key int64) Subject {
	return Subject{Kind: SubjectKind(key & (1<<kindBits - 1)), Number: key >> kindBits}
}

// Compare orders subjects as their keys do: by number, then kind.
func (s Subject) Compare(other Subject) int { return cmp.Compare(s.Key(), other.Key()) }

// IsZero reports whether no subject is named.
func (s Subject) IsZero() bool { return s == Subject{} }

// String returns the form used in queries and headers: "declaration/1024".
func (s Subject) String() string {
	return s.Kind.String() + "/" + strconv.FormatInt(s.Number, 10)
}

// ParseSubject is the reverse of String.
func ParseSubject(text string) (Subject, error) {
	name, digits, ok := strings.Cut(text, "/")
	kind, known := ParseSubjectKind(name)
	number, err := strconv.ParseInt(digits, 10, 64)
	if !ok || !known || err != nil || number <= 0 || number > MaxNumber {
		return Subject{}, fmt.Errorf("must be kind/number, such as entry/16; kinds are %s", strings.Join(SubjectKinds(), ", "))
	}
	return Subject{Kind: kind, Number: number}, nil
}
