package greenlane

import (
	"encoding/binary"
	"fmt"
	"io"
	"strings"
	"time"
)

// ID is the sortable part of a public identifier: 48 bits of Unix
// milliseconds, 48 bits of a number that the hub hands out in order, 32 bits
// of chance. Its text is a prefix and 26 characters of Crockford's base 32, so
// that text order is time order.
//
// The number inside (an event's position, an endpoint's or a message's number)
// lets a store find the row without an index of its own. It is no secret: a
// reader that finds the row must still compare the whole ID.
type ID [16]byte

// Prefixes of public identifiers.
const (
	EventPrefix    = "evt_"
	MessagePrefix  = "msg_"
	ExportPrefix   = "exp_"
	BatchPrefix    = "bat_"
	OrderPrefix    = "ord_"
	PackagePrefix  = "cp_"
	EndpointPrefix = "wh_"
	DeliveryPrefix = "dlv_"
	KeyPrefix      = "key_"
	OutboundPrefix = "out_"
	// A submission is what a broker is sent, a notification what others are.
	SubmissionPrefix   = "sub_"
	NotificationPrefix = "ntf_"
)

// NewID makes an ID from a time (used in milliseconds), a number from 0 to
// 2^48-1, and 32 bits of chance from the caller. It panics on a number outside
// that range, which only a programming error produces.
func NewID(t time.Time, number int64, chance uint32) ID {
	if number < 0 || number > MaxNumber {
		panic(fmt.Sprintf("greenlane: number %d does not fit an ID", number))
	}
	var id ID
	ms := uint64(t.UnixMilli())
	binary.BigEndian.PutUint64(id[0:8], ms<<16|uint64(number)>>32)
	binary.BigEndian.PutUint32(id[8:12], uint32(number))
	binary.BigEndian.PutUint32(id[12:16], chance)
	return id
}

// DrawChance draws the 32 bits of chance an ID takes.
func DrawChance(random io.Reader) (uint32, error) {
	var b [4]byte
	if _, err := io.ReadFull(random, b[:]); err != nil {
		return 0, err
	}
	return binary.BigEndian.Uint32(b[:]), nil
}

// Number returns the number the ID was made with.
func (id ID) Number() int64 {
	hi := int64(binary.BigEndian.Uint16(id[6:8]))
	return hi<<32 | int64(binary.BigEndian.Uint32(id[8:12]))
}

// Time returns the moment the ID was made with, in milliseconds, UTC.
func (id ID) Time() time.Time {
	return time.UnixMilli(int64(binary.BigEndian.Uint64(id[0:8]) >> 16)).UTC()
}

// IsZero reports whether the ID was never set.
func (id ID) IsZero() bool { return id == ID{} }

const crockford = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

// Text returns the public form: prefix and 26 characters.
func (id ID) Text(prefix string) string {
	// 128 bits in 26 characters of 5: the first carries only the top 3.
	var out [26]byte
	hi := binary.BigEndian.Uint64(id[0:8])
	lo := binary.BigEndian.Uint64(id[8:16])
	for i := 25; i >= 0; i-- {
		out[i] = crockford[lo&31]
		lo = lo>>5 | hi<<59
		hi >>= 5
	}
	return prefix + string(out[:])
}

// ParseID reads the public form. Lower case is accepted. The error says what
// was expected.
func ParseID(prefix, text string) (ID, error) {
	body, ok := strings.CutPrefix(text, prefix)
	if !ok || len(body) != 26 {
		return ID{}, fmt.Errorf("%q is not an identifier of the form %s followed by 26 letters and digits", text, prefix)
	}
	var hi, lo uint64
	for i := range len(body) {
		v := strings.IndexByte(crockford, upper(body[i]))
		if v < 0 || i == 0 && v > 7 {
			return ID{}, fmt.Errorf("%q has %q where a base 32 character was expected", text, body[i])
		}
		hi = hi<<5 | lo>>59
		lo = lo<<5 | uint64(v)
	}
	var id ID
	binary.BigEndian.PutUint64(id[0:8], hi)
	binary.BigEndian.PutUint64(id[8:16], lo)
	return id, nil
}

func upper(c byte) byte {
	if 'a' <= c && c <= 'z' {
		return c - 'a' + 'A'
	}
	return c
}

// DeliveryID computes the identifier of a delivery from what makes it one: the
// endpoint's number, the event's position and the generation (1 is the first
// sending, each resend adds one). Nothing is stored for it.
func DeliveryID(endpoint, position int64, generation int) string {
	var id ID
	binary.BigEndian.PutUint64(id[0:8], uint64(position))
	binary.BigEndian.PutUint64(id[8:16], uint64(endpoint)<<24|uint64(generation)&0xFFFFFF)
	return id.Text(DeliveryPrefix)
}

// ParseDeliveryID is the reverse of [DeliveryID].
func ParseDeliveryID(text string) (endpoint, position int64, generation int, err error) {
	id, err := ParseID(DeliveryPrefix, text)
	if err != nil {
		return 0, 0, 0, err
	}
	lo := binary.BigEndian.Uint64(id[8:16])
	return int64(lo >> 24), int64(binary.BigEndian.Uint64(id[0:8])), int(lo & 0xFFFFFF), nil
}
