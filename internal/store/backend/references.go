package backend

import (
	"fmt"
	"strconv"

	"greenlane"
	"greenlane/internal/store"
)

// EncodeReferences writes references as JSON, [[kind,"value"],…], so that the
// column can be read with a database's own functions. Bytes that JSON lets through
// stay as they are, whatever they mean.
func EncodeReferences(refs []greenlane.Reference) string {
	out := make([]byte, 1, 2+32*len(refs))
	out[0] = '['
	for i, r := range refs {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(out, '[')
		out = strconv.AppendUint(out, uint64(r.Kind), 10)
		out = append(out, ',', '"')
		out = appendEscaped(out, r.Value)
		out = append(out, '"', ']')
	}
	return string(append(out, ']'))
}

const hexDigits = "0123456789abcdef"

func appendEscaped(out []byte, s string) []byte {
	for i := range len(s) {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			out = append(out, '\\', c)
		case c < ' ':
			out = append(out, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		default:
			out = append(out, c)
		}
	}
	return out
}

var errReferences = fmt.Errorf("%w: a list of references", store.ErrBroken)

// decodeReferences reads what EncodeReferences writes, and nothing else.
func DecodeReferences(s string) ([]greenlane.Reference, error) {
	if len(s) < 2 || s[0] != '[' || s[len(s)-1] != ']' {
		return nil, errReferences
	}
	var refs []greenlane.Reference
	for s = s[1 : len(s)-1]; s != ""; {
		r, rest, err := decodeReference(s)
		if err != nil {
			return nil, err
		}
		refs = append(refs, r)
		if rest != "" && (rest[0] != ',' || len(rest) == 1) {
			return nil, errReferences
		}
		s = rest[min(1, len(rest)):]
	}
	return refs, nil
}

// decodeReference reads [kind,"value"] and returns what follows.
func decodeReference(s string) (r greenlane.Reference, rest string, err error) {
	if s[0] != '[' {
		return r, "", errReferences
	}
	comma := 1
	for comma < len(s) && s[comma] != ',' {
		comma++
	}
	kind, err := strconv.ParseUint(s[1:comma], 10, 8)
	if err != nil || comma+2 >= len(s) || s[comma+1] != '"' {
		return r, "", errReferences
	}
	r.Kind = greenlane.ReferenceKind(kind)
	if r.Value, rest, err = unescape(s[comma+2:]); err != nil || rest == "" || rest[0] != ']' {
		return r, "", errReferences
	}
	return r, rest[1:], nil
}

// unescape reads a text up to its closing quote and returns what follows it.
func unescape(s string) (text, rest string, err error) {
	var out []byte
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '"' && out == nil:
			return s[:i], s[i+1:], nil
		case s[i] == '"':
			return string(out), s[i+1:], nil
		case s[i] != '\\':
			if out != nil {
				out = append(out, s[i])
			}
			continue
		}
		if out == nil {
			out = append(make([]byte, 0, len(s)), s[:i]...)
		}
		c, width, err := unescapeOne(s[i:])
		if err != nil {
			return "", "", err
		}
		out = append(out, c)
		i += width - 1
	}
	return "", "", errReferences
}

// unescapeOne reads one escape and returns how long it is.
func unescapeOne(s string) (c byte, width int, err error) {
	switch {
	case len(s) >= 2 && (s[1] == '"' || s[1] == '\\'):
		return s[1], 2, nil
	case len(s) >= 6 && s[1:4] == "u00":
		v, err := strconv.ParseUint(s[4:6], 16, 8)
		return byte(v), 6, err
	}
	return 0, 0, errReferences
}
