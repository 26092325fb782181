package sealed

import (
	"slices"

	"greenlane/internal/store"
)

// Findings are what [Examine] found.
type Findings struct {
	// Sealed values there are, Plain ones are not sealed, Former ones are sealed with
	// a key that is not the first.
	Sealed, Plain, Former int
	// Keys are the ids of the keys in use, sorted, and Missing those of them that were
	// not given.
	Keys, Missing []string
	// Broken are the places of values that do not open with the key they name.
	Broken []string
}

// Examine says what keys can be used for, the one that seals first. It changes
// nothing and gives nothing away of what it opens.
func Examine(rows store.Confidential, keys []*Key) Findings {
	ring := &Keyring{keys: keys}
	found := Findings{Keys: (&Keyring{}).missing(rows), Missing: ring.missing(rows)}
	_, _ = each(rows, func(place, text string) (string, bool, error) {
		id := keyOf(text)
		switch {
		case !isSealed(text):
			found.Plain++
			return text, false, nil
		case len(keys) > 0 && id != keys[0].id:
			found.Former++
		}
		found.Sealed++
		if _, err := ring.open(place, text); err != nil && !slices.Contains(found.Missing, id) {
			found.Broken = append(found.Broken, place)
		}
		return text, false, nil
	})
	return found
}
