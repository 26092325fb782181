package doctor

import (
	"fmt"
	"strings"

	"greenlane/internal/store"
	"greenlane/internal/store/sealed"
)

// secrets judges whether the keys at hand open what is encrypted.
func (e *examination) secrets(rows store.Confidential) []Finding {
	return judgeSecrets(sealed.Examine(rows, e.options.Keys), len(e.options.Keys) > 0)
}

func judgeSecrets(f sealed.Findings, keys bool) []Finding {
	var out []Finding
	if f.Plain > 0 {
		out = append(out, Finding{"secrets", Warn, count(f.Plain, "secret is", "secrets are") + " in the clear",
			"A hub encrypts them at its next start. What is in older backups stays readable: rotate it.", nil})
	}
	in := fmt.Sprintf("%s with the %s", count(f.Sealed, "secret is encrypted", "secrets are encrypted"), keysNamed(f.Keys))
	switch {
	case f.Sealed == 0 && f.Plain == 0:
		out = append(out, Finding{"secrets", OK, "there are none", "", nil})
	case f.Sealed == 0:
	case !keys:
		out = append(out, Finding{"secrets", Skip, in + ", which is not at hand here",
			"Give what the hub is given, by --secret-key-file or GREENLANE_SECRET_KEY, to see whether it opens them.", nil})
	case len(f.Missing) > 0:
		lacking := ", which was not given"
		if len(f.Missing) < len(f.Keys) {
			lacking = "; not given: " + strings.Join(f.Missing, ", ")
		}
		out = append(out, Finding{"secrets", Fail, in + lacking,
			"A hub with these keys refuses to start. Find the key that belongs to this database, perhaps with a backup of it, and give it after the new one.", nil})
	}
	if len(f.Broken) > 0 {
		out = append(out, Finding{"secrets", Fail, "altered, or copied from elsewhere, so that the key does not open them: " + names(f.Broken), restore, nil})
	}
	switch {
	case out != nil:
	case f.Former > 0:
		out = append(out, Finding{"secrets", OK, fmt.Sprintf("%s; the keys given open all; %s encrypted anew at the next start", in, count(f.Former, "is", "are")), "", nil})
	default:
		out = append(out, Finding{"secrets", OK, in + ", which opens all", "", nil})
	}
	return out
}

func keysNamed(ids []string) string {
	if len(ids) == 1 {
		return "key " + ids[0]
	}
	return "keys " + strings.Join(ids, ", ")
}
