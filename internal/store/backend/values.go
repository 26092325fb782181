package backend

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"slices"

	"greenlane"
	"greenlane/internal/store"
)

// Present reads an empty text as absent bytes.
func Present(b []byte) []byte {
	if len(b) == 0 {
		return nil
	}
	return b
}

// ClearanceNumber returns the number a clearance is kept by, 0 for none.
func ClearanceNumber(c greenlane.Clearance) int64 {
	return int64(slices.Index(greenlane.Clearances(), c) + 1)
}

// ClearanceFrom returns the clearance kept by a number, none for an unknown one.
func ClearanceFrom(number int64) greenlane.Clearance {
	if all := greenlane.Clearances(); number > 0 && int(number) <= len(all) {
		return all[number-1]
	}
	return ""
}

// EncodePositions writes ascending positions as differences, each a varint.
func EncodePositions(positions []int64) []byte {
	out := make([]byte, 0, 2*len(positions)+6)
	var last int64
	for _, p := range positions {
		out = binary.AppendUvarint(out, uint64(p-last))
		last = p
	}
	return out
}

// DecodePositions reads what EncodePositions writes.
func DecodePositions(b []byte) ([]int64, error) {
	var out []int64
	var last int64
	for len(b) > 0 {
		d, n := binary.Uvarint(b)
		if n <= 0 {
			return nil, fmt.Errorf("%w: a list of positions", store.ErrBroken)
		}
		last += int64(d)
		out = append(out, last)
		b = b[n:]
	}
	return out, nil
}

// EncodeSecrets writes the secrets as JSON, their times as all others are kept.
func EncodeSecrets(secrets []store.Secret) (string, error) {
	kept := make([]store.Secret, len(secrets))
	for i, s := range secrets {
		kept[i] = store.Secret{Kind: s.Kind, Text: s.Text, Until: greenlane.Micro(s.Until)}
	}
	b, err := json.Marshal(kept)
	return string(b), err
}

// DecodeSecrets reads what EncodeSecrets writes.
func DecodeSecrets(b []byte) (secrets []store.Secret, err error) {
	if err := json.Unmarshal(b, &secrets); err != nil {
		return nil, fmt.Errorf("%w: a list of secrets: %w", store.ErrBroken, err)
	}
	if len(secrets) == 0 {
		return nil, nil
	}
	return secrets, nil
}
