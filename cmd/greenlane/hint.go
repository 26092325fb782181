package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// lineWidth is how wide texts are that the commands wrap.
const lineWidth = 80

// plainWord needs no quotes in a shell.
var plainWord = regexp.MustCompile(`^[A-Za-z0-9_./:@%+,=-]+$`)

// shellWord quotes a word for a shell where that is needed.
func shellWord(word string) string {
	if plainWord.MatchString(word) {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}

// option is a flag with its value, which stay on one line of a hint.
func option(flag, value string) string { return flag + " " + shellWord(value) }

// again are the flags with which another command finds the same hub. A key is
// left out: it must not stand in a shell's history.
func (f *hubFlags) again() []string {
	var out []string
	if url := strings.TrimSuffix(strings.TrimSuffix(os.Getenv("GREENLANE_URL"), "/"), "/v1"); f.URL != defaultURL && f.URL != url {
		out = append(out, option("--url", f.URL))
	}
	if f.Key == "" && !sameFolder(f.Data, "greenlane-data") && !sameFolder(f.Data, os.Getenv("GREENLANE_DATA")) {
		out = append(out, option("--data", f.Data))
	}
	return out
}

func sameFolder(path, other string) bool {
	absolute, err := filepath.Abs(other)
	return other != "" && err == nil && path == absolute
}

// hint writes a command to copy, indented, in lines that fit a terminal. Each
// part stays on one line.
func hint(w io.Writer, parts ...string) {
	const first, rest = "  ", "    "
	line := first + "greenlane"
	for i, part := range parts {
		tail := 0
		if i < len(parts)-1 {
			tail = len(` \`)
		}
		if len([]rune(line))+1+len([]rune(part))+tail > lineWidth {
			fmt.Fprintln(w, line+` \`)
			line = rest + part
			continue
		}
		line += " " + part
	}
	fmt.Fprintln(w, line)
}

// wrapped writes a text in lines that fit a terminal: the first begins with
// what is given for it, the others with as many blanks, or a few where that
// would leave little room.
func wrapped(w io.Writer, begin, text string) {
	line, empty := begin, true
	indent := strings.Repeat(" ", len([]rune(begin)))
	if len(indent) > lineWidth/3 {
		indent = "    "
	}
	for _, word := range strings.Fields(text) {
		if !empty && len([]rune(line))+1+len([]rune(word)) > lineWidth {
			fmt.Fprintln(w, line)
			line, empty = indent, true
		}
		if !empty {
			line += " "
		}
		line, empty = line+word, false
	}
	fmt.Fprintln(w, strings.TrimRight(line, " "))
}
