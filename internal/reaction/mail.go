package reaction

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"net/textproto"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"greenlane"
)

// Mail is one e-mail to one reader, in plain text and in HTML, with files.
type Mail struct {
	// From and To are one address each, with or without a name: Harbor Brokers
	// <entry@example.com>.
	From, To string
	Subject  string
	// MessageID names the message for good, without brackets:
	// exp_01….broker@hub.example.
	MessageID   string
	Date        time.Time
	Text, HTML  string
	Attachments []Attachment
}

// Attachment is a file of a [Mail].
type Attachment struct {
	Filename, MediaType string
	Bytes               []byte
}

// Limits of a header field.
const (
	// lineWidth is how long a line should be at most (RFC 5322, 2.1.1).
	lineWidth = 78
	// maxAddress is the longest address: a path is at most 256 octets with its
	// brackets (RFC 5321, 4.5.3.1.3).
	maxAddress = 254
	// maxMessageID and maxFilename keep a field that can't be folded within a
	// line of 998 octets, with three for each octet of a file name.
	maxMessageID = 250
	maxFilename  = 255
)

// Bytes composes the message (RFC 5322, RFC 2045): all of it in 7-bit ASCII
// unless an address is not, its lines ended by CRLF. The same mail gives the same
// bytes on any machine. An error says which field can't be sent.
func (m *Mail) Bytes() ([]byte, error) {
	head, err := m.head()
	if err != nil {
		return nil, err
	}
	if err := m.checkParts(); err != nil {
		return nil, err
	}
	b := bytes.NewBuffer(head)
	mixed := multipart.NewWriter(b)
	if err := mixed.SetBoundary(m.boundary("mix")); err != nil {
		return nil, err
	}
	b.WriteString(fold("Content-Type", mime.FormatMediaType("multipart/mixed", map[string]string{"boundary": mixed.Boundary()})))
	b.WriteString("\r\n")
	if err := m.writeBody(mixed); err != nil {
		return nil, err
	}
	for _, a := range m.Attachments {
		if err := a.write(mixed); err != nil {
			return nil, err
		}
	}
	if err := mixed.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// head writes the header fields but the Content-Type.
func (m *Mail) head() ([]byte, error) {
	from, err := parseMailbox("From", m.From)
	if err != nil {
		return nil, err
	}
	to, err := parseMailbox("To", m.To)
	if err != nil {
		return nil, err
	}
	if err := checkHeaderText("Subject", m.Subject); err != nil {
		return nil, err
	}
	if err := checkMessageID(m.MessageID); err != nil {
		return nil, err
	}
	date := m.Date.UTC()
	if date.Year() < 1900 || date.Year() > 9999 {
		return nil, fieldError("Date", "the year must have four digits and not lie before 1900 (RFC 5322, 3.3)")
	}
	var b bytes.Buffer
	for _, field := range [][2]string{
		{"Date", date.Format("Mon, 02 Jan 2006 15:04:05 -0700")},
		{"From", headerMailbox(from)},
		{"To", headerMailbox(to)},
		{"Message-ID", "<" + m.MessageID + ">"},
		{"Subject", headerText(m.Subject)},
		// Nobody's absence is to be announced to us (RFC 3834).
		{"Auto-Submitted", "auto-generated"},
		{"MIME-Version", "1.0"},
	} {
		b.WriteString(fold(field[0], field[1]))
	}
	return b.Bytes(), nil
}

func (m *Mail) checkParts() error {
	for _, part := range []struct{ name, text string }{{"Text", m.Text}, {"HTML", m.HTML}} {
		if part.text == "" || !utf8.ValidString(part.text) {
			return fieldError(part.name, "must be there, in UTF-8")
		}
	}
	for i, a := range m.Attachments {
		if err := a.check(); err != nil {
			return fmt.Errorf("Attachments[%d].%w", i, err)
		}
	}
	return nil
}

// boundary returns the line that separates the parts of a level. "=_" occurs in
// no text in quoted-printable or base 64 (RFC 2045, 6.7), so nobody who guesses
// the rest can write it into a part.
func (m *Mail) boundary(level string) string {
	digest := sha256.Sum256([]byte(level + "\x00" + m.MessageID))
	return "=_" + level + "_" + hex.EncodeToString(digest[:12])
}

// writeBody writes text and HTML as alternatives, the better one last (RFC 2046,
// 5.1.4).
func (m *Mail) writeBody(mixed *multipart.Writer) error {
	boundary := m.boundary("alt")
	w, err := mixed.CreatePart(textproto.MIMEHeader{
		"Content-Type": {mime.FormatMediaType("multipart/alternative", map[string]string{"boundary": boundary})},
	})
	if err != nil {
		return err
	}
	alternative := multipart.NewWriter(w)
	if err := alternative.SetBoundary(boundary); err != nil {
		return err
	}
	for _, part := range [][2]string{{"text/plain", m.Text}, {"text/html", m.HTML}} {
		w, err := alternative.CreatePart(textproto.MIMEHeader{
			"Content-Type":              {part[0] + "; charset=utf-8"},
			"Content-Transfer-Encoding": {"quoted-printable"},
		})
		if err != nil {
			return err
		}
		q := quotedprintable.NewWriter(w)
		if _, err := io.WriteString(q, part[1]); err != nil {
			return err
		}
		if err := q.Close(); err != nil {
			return err
		}
	}
	return alternative.Close()
}

func (a *Attachment) check() error {
	if a.Filename == "" || len(a.Filename) > maxFilename {
		return fieldError("Filename", "must have between 1 and %d bytes", maxFilename)
	}
	if err := checkHeaderText("Filename", a.Filename); err != nil {
		return err
	}
	if strings.ContainsAny(a.Filename, `/\`) || strings.Trim(a.Filename, ".") == "" {
		return fieldError("Filename", "must be a name without a folder")
	}
	if err := checkHeaderText("MediaType", a.MediaType); err != nil {
		return err
	}
	if a.contentType() == "" {
		return fieldError("MediaType", "must be the media type of one file, such as application/pdf")
	}
	return nil
}

// contentType returns the media type in its usual form, empty if it is none that
// base 64 may carry (RFC 2045, 6.4).
func (a *Attachment) contentType() string {
	media, parameters, err := mime.ParseMediaType(a.MediaType)
	if err != nil || !strings.Contains(media, "/") || strings.HasPrefix(media, "multipart/") || strings.HasPrefix(media, "message/") {
		return ""
	}
	for name, value := range parameters {
		if checkHeaderText(name, value) != nil {
			return ""
		}
	}
	if text := mime.FormatMediaType(media, parameters); len(text) <= maxFilename {
		return text
	}
	return ""
}

// write adds the file, in base 64. A file name beyond ASCII is encoded as RFC 2231
// has it.
func (a *Attachment) write(mixed *multipart.Writer) error {
	w, err := mixed.CreatePart(textproto.MIMEHeader{
		"Content-Type":              {a.contentType()},
		"Content-Disposition":       {mime.FormatMediaType("attachment", map[string]string{"filename": a.Filename})},
		"Content-Transfer-Encoding": {"base64"},
	})
	if err != nil {
		return err
	}
	const perLine = 57 // bytes in 76 characters, the most a line may have (RFC 2045, 6.8)
	out := make([]byte, 0, base64.StdEncoding.EncodedLen(len(a.Bytes))+2*(len(a.Bytes)/perLine+1))
	for rest := a.Bytes; len(rest) > 0; {
		n := min(perLine, len(rest))
		out = append(base64.StdEncoding.AppendEncode(out, rest[:n]), "\r\n"...)
		rest = rest[n:]
	}
	_, err = w.Write(out)
	return err
}

// fieldError says which field of a mail can't be sent, and why.
func fieldError(field, format string, args ...any) error {
	return fmt.Errorf("%s: %s", field, fmt.Sprintf(format, args...))
}

// The errors of a check, which name no field and repeat no text.
var (
	errMailbox = errors.New("must be one e-mail address such as entry@example.com")
	errDomain  = errors.New("must have a domain name behind the @, in ASCII and not too long: it becomes part of each Message-ID " +
		"(a name in other letters has a form in ASCII that begins with xn--)")
)

// CheckMailbox says why mail can't go to a text: it must be one plain address,
// without a name, that a page shows as it is. What passes can be sent to.
func CheckMailbox(text string) error {
	// Joiners are part of some scripts' words.
	unfit := func(r rune) bool { return !unicode.IsPrint(r) && r != '\u200c' && r != '\u200d' }
	if a, err := parseMailbox("", text); err != nil || a.Address != text || strings.ContainsFunc(text, unfit) {
		return errMailbox
	}
	return nil
}

// CheckSender says why mail can't come from a text: beside what [CheckMailbox] asks
// for, its domain must be fit for the name of a message.
func CheckSender(text string) error {
	if err := CheckMailbox(text); err != nil {
		return err
	}
	longest := messageID(greenlane.ID{}.Text(greenlane.ExportPrefix), string(greenlane.RoleWarehouse), text)
	if checkMessageID(longest) != nil {
		return errDomain
	}
	return nil
}

// messageID names what one side is told of an export, by the domain of the sender's
// address.
func messageID(exportID, role, sender string) string {
	return strings.ToLower(exportID + "." + role + "@" + sender[strings.LastIndexByte(sender, '@')+1:])
}

// parseMailbox reads exactly one address. Comments, groups and quoted local parts
// are refused: no mailbox of a broker or a warehouse needs them, and programs
// read them differently.
func parseMailbox(field, text string) (*mail.Address, error) {
	if err := checkHeaderText(field, text); err != nil {
		return nil, err
	}
	a, err := mail.ParseAddress(text)
	if err != nil || a.Address != text && !strings.HasSuffix(text, "<"+a.Address+">") {
		return nil, fieldError(field, "must be one address such as entry@example.com, or Name <entry@example.com>")
	}
	if len(a.Address) > maxAddress {
		return nil, fieldError(field, "an address has at most %d characters", maxAddress)
	}
	if err := checkHeaderText(field, a.Name); err != nil {
		return nil, err
	}
	return a, nil
}

// checkHeaderText refuses whatever could end a header field and begin another.
func checkHeaderText(field, text string) error {
	if !utf8.ValidString(text) {
		return fieldError(field, "must be UTF-8")
	}
	if strings.ContainsFunc(text, breaksLines) {
		return fieldError(field, "must not contain line breaks or other control characters")
	}
	return nil
}

// breaksLines reports control characters and Unicode's own line breaks.
func breaksLines(r rune) bool { return unicode.IsControl(r) || r == '\u2028' || r == '\u2029' }

// checkMessageID refuses what is not an identifier of the form dot-atom @ dot-atom
// (RFC 5322, 3.6.4).
func checkMessageID(id string) error {
	left, right, _ := strings.Cut(id, "@")
	if len(id) > maxMessageID || !dotAtom(left) || !dotAtom(right) {
		return fieldError("MessageID", "must have the form exp_1.broker@hub.example, in ASCII, with at most %d characters", maxMessageID)
	}
	return nil
}

func dotAtom(text string) bool {
	for part := range strings.SplitSeq(text, ".") {
		if part == "" || strings.ContainsFunc(part, func(r rune) bool {
			return (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z') && !strings.ContainsRune("!#$%&'*+-/=?^_`{|}~", r)
		}) {
			return false
		}
	}
	return true
}

// headerMailbox writes an address as a header has it.
func headerMailbox(a *mail.Address) string {
	bare := (&mail.Address{Address: a.Address}).String()
	if a.Name == "" {
		return bare
	}
	if plainText(a.Name) {
		if quoted := a.String(); len(quoted)-len(bare) < maxPlainWord {
			return quoted
		}
	}
	return encodedWords(a.Name) + " " + bare
}

// headerText writes text so that a reader shows exactly it.
func headerText(text string) string {
	if plainText(text) {
		return text
	}
	return encodedWords(text)
}

// maxPlainWord is the longest word that fits into a line beside any field's name.
const maxPlainWord = 60

// plainText reports text that folding and reading leave as it is: short words of
// ASCII with single spaces between, none of which looks encoded.
func plainText(text string) bool {
	if text == "" || strings.Contains(text, "=?") {
		return text == ""
	}
	for word := range strings.SplitSeq(text, " ") {
		if word == "" || len(word) > maxPlainWord || strings.ContainsFunc(word, func(r rune) bool { return r > unicode.MaxASCII }) {
			return false
		}
	}
	return true
}

// encodedChunk is how many bytes a word encodes: a line with it has at most 76
// characters beside the name of any field (RFC 2047, 2).
const encodedChunk = 39

// encodedWords encodes text in words that hold whole characters each (RFC 2047,
// 5). Readers drop the spaces between them.
func encodedWords(text string) string {
	var words []string
	for text != "" {
		n := 0
		for n < len(text) {
			_, size := utf8.DecodeRuneInString(text[n:])
			if n+size > encodedChunk {
				break
			}
			n += size
		}
		words = append(words, "=?utf-8?b?"+base64.StdEncoding.EncodeToString([]byte(text[:n]))+"?=")
		text = text[n:]
	}
	return strings.Join(words, " ")
}

// fold writes a header field, broken at spaces where its lines would be too long
// (RFC 5322, 2.2.3).
func fold(name, value string) string {
	var b strings.Builder
	b.WriteString(name + ":")
	width := len(name) + 1
	for word := range strings.SplitSeq(value, " ") {
		if width+1+len(word) > lineWidth && width > len(name)+1 {
			b.WriteString("\r\n")
			width = 0
		}
		b.WriteString(" " + word)
		width += 1 + len(word)
	}
	b.WriteString("\r\n")
	return b.String()
}
