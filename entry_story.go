package greenlane

import (
	"fmt"
	"strings"
	"time"
)

// Chapter is one step of an entry's history in words.
type Chapter struct {
	At   time.Time `json:"at"`
	Text string    `json:"text"`
	// Clearance is what the goods were from then on.
	Clearance Clearance `json:"clearance"`
	// Message is the public id of the message it came in, empty without one.
	Message string `json:"messageId,omitzero"`
}

// Story tells what happened to the entry, in the order that decides.
func (e *Entry) Story() []Chapter {
	var story []Chapter
	clears := ClearancePending
	e.foldFor("", func(a *Activity, f *entryFold) {
		text := a.inWords()
		if f.clears != clears {
			text += fmt.Sprintf("; %s: %s", f.clears, f.standing().words())
			clears = f.clears
		}
		story = append(story, Chapter{At: a.Date, Text: text, Clearance: f.clears, Message: a.facts().From})
	})
	return story
}

// HoldHistory returns every hold the entry had: those that ended, in the order
// in which they did, then those that are open.
func (e *Entry) HoldHistory() []Hold {
	f := e.foldFor("", nil)
	return append(f.ended, f.holds...)
}

// inWords says who stated what, and what it does.
func (a *Activity) inWords() string {
	code := a.Code
	if a.facts().Table != "" {
		code = strings.ToUpper(string(a.facts().Table)) + " " + code
	}
	text := fmt.Sprintf("%s: %s %s", a.by(), code, a.Message)
	if a.facts().Part != "" {
		text += " (" + a.facts().Part + ")"
	}
	if len(a.facts().Containers) > 0 {
		text += " on container " + strings.Join(a.facts().Containers, ", ")
	}
	switch r := a.ruling(); {
	case a.IsHold:
		text += ", a hold; it ends by " + a.endWords()
	case r.Releases && len(r.Removes) > 0:
		text += ", a release that ends holds " + kindWords(r.Removes)
	case r.Releases:
		text += ", a release"
	case r.Withdraws:
		text += ", the entry is withdrawn"
	case r.Restores:
		text += ", the cancellation is undone"
	case len(r.Removes) > 0:
		text += ", which ends holds " + kindWords(r.Removes)
	case len(r.Revokes)+len(r.Overrules) > 0:
		text += ", which takes a release back"
	}
	return text
}

func kindWords(kinds []HoldKind) string {
	words := make([]string, len(kinds))
	for i, k := range kinds {
		words[i] = kindWord(k)
		if table, code, _ := strings.Cut(string(k), ":"); code == AnyCode {
			words[i] = "of every " + strings.ToUpper(table) + " code"
		}
	}
	return strings.Join(words, ", ")
}

// kindWord names a kind of hold as people do, SO60 98 for so60:98.
func kindWord(k HoldKind) string {
	if table, code, ok := strings.Cut(string(k), ":"); ok {
		return strings.ToUpper(table) + " " + code
	}
	return string(k)
}
