package reaction_test

import (
	"bytes"
	"encoding/base64"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"greenlane/internal/reaction"
)

func someMail() *reaction.Mail {
	return &reaction.Mail{
		From: "Łódź Fulfilment <exports@hub.example>", To: `"深圳 Brokers, Inc." <entry@example.com>`,
		Subject: "Customs package CP-2026-000123: 2 orders, 1,234.50 USD, to US", MessageID: "exp_01.broker@hub.example",
		Date: time.Date(2026, 3, 11, 18, 12, 44, 999, time.FixedZone("", 3600)),
		Text: "Dear broker,\n\n.a line that begins with a dot\nŁódź = 深圳 \n", HTML: "<p>Łódź</p>\n",
		Attachments: []reaction.Attachment{
			{Filename: "manifest.json", MediaType: "application/json", Bytes: []byte(`{"a":1}`)},
			{Filename: "Łódź 深圳.pdf", MediaType: "application/pdf", Bytes: bytes.Repeat([]byte{0, 1, 2, 255}, 500)},
			{Filename: "empty.csv", MediaType: "text/csv; charset=utf-8"},
		},
	}
}

func composed(t testing.TB, m *reaction.Mail) []byte {
	t.Helper()
	raw, err := m.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// readMail reads a message back with the standard library, all of it.
func readMail(t testing.TB, raw []byte) *reaction.Mail {
	t.Helper()
	msg, err := mail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		t.Fatalf("%v\n%s", err, raw)
	}
	if len(msg.Header) != 8 {
		t.Fatalf("header fields: %v", msg.Header)
	}
	var words mime.WordDecoder
	out := &reaction.Mail{MessageID: strings.Trim(msg.Header.Get("Message-ID"), "<>")}
	if out.Subject, err = words.DecodeHeader(msg.Header.Get("Subject")); err != nil {
		t.Fatal(err)
	}
	if out.Date, err = msg.Header.Date(); err != nil {
		t.Fatal(err)
	}
	out.From, out.To = address(t, msg, "From"), address(t, msg, "To")
	parts := eachPart(t, msg.Header.Get("Content-Type"), "multipart/mixed", msg.Body)
	first, err := parts.NextRawPart()
	if err != nil {
		t.Fatal(err)
	}
	bodies := eachPart(t, first.Header.Get("Content-Type"), "multipart/alternative", first)
	for _, into := range []*string{&out.Text, &out.HTML} {
		part, err := bodies.NextRawPart()
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(quotedprintable.NewReader(part))
		if err != nil {
			t.Fatal(err)
		}
		*into = string(text)
	}
	if _, err := bodies.NextRawPart(); err != io.EOF {
		t.Fatalf("a third alternative: %v", err)
	}
	for {
		part, err := parts.NextRawPart()
		if err == io.EOF {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		_, parameters, err := mime.ParseMediaType(part.Header.Get("Content-Disposition"))
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(base64.NewDecoder(base64.StdEncoding, part))
		if err != nil {
			t.Fatal(err)
		}
		out.Attachments = append(out.Attachments, reaction.Attachment{
			Filename: parameters["filename"], MediaType: part.Header.Get("Content-Type"), Bytes: content,
		})
	}
}

func eachPart(t testing.TB, contentType, want string, r io.Reader) *multipart.Reader {
	t.Helper()
	media, parameters, err := mime.ParseMediaType(contentType)
	if err != nil || media != want {
		t.Fatalf("%s: %v", contentType, err)
	}
	return multipart.NewReader(r, parameters["boundary"])
}

func address(t testing.TB, msg *mail.Message, field string) string {
	t.Helper()
	list, err := msg.Header.AddressList(field)
	if err != nil || len(list) != 1 {
		t.Fatalf("%s: %v, %v", field, list, err)
	}
	return list[0].Name + "|" + list[0].Address
}

// TestMailReadsBack holds that a reader gets exactly what was said.
func TestMailReadsBack(t *testing.T) {
	t.Parallel()
	m := someMail()
	raw := composed(t, m)
	got := readMail(t, raw)
	want := someMail()
	want.From, want.To = "Łódź Fulfilment|exports@hub.example", "深圳 Brokers, Inc.|entry@example.com"
	want.Date = m.Date.Truncate(time.Second)
	// Line breaks are CRLF on the wire; an empty file is an empty part.
	want.Text, want.HTML = strings.ReplaceAll(m.Text, "\n", "\r\n"), strings.ReplaceAll(m.HTML, "\n", "\r\n")
	want.Attachments[2].Bytes = []byte{}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	checkWire(t, raw)
}

// checkWire holds that a message is 7-bit, in lines of CRLF, none too long.
func checkWire(t testing.TB, raw []byte) {
	t.Helper()
	for line := range bytes.SplitAfterSeq(raw, []byte("\n")) {
		text, ended := bytes.CutSuffix(line, []byte("\r\n"))
		if len(line) > 0 && !ended || bytes.ContainsAny(text, "\r\n\x00") || len(text) > 998 {
			t.Fatalf("line %q", line)
		}
		for _, c := range text {
			if c > 126 || c < 32 && c != '\t' {
				t.Fatalf("byte %d in %q", c, line)
			}
		}
	}
}

// TestMailIsTheSameAgain holds that equal mails have equal bytes, and that only
// the Message-ID makes the boundaries.
func TestMailIsTheSameAgain(t *testing.T) {
	t.Parallel()
	first := composed(t, someMail())
	for range 20 {
		if again := composed(t, someMail()); !bytes.Equal(first, again) {
			t.Fatalf("first\n%s\nagain\n%s", first, again)
		}
	}
	other := someMail()
	other.MessageID = "exp_02.broker@hub.example"
	if bytes.Equal(first, composed(t, other)) {
		t.Error("another Message-ID changes nothing")
	}
	for _, telltale := range []string{"X-Mailer", "User-Agent", "go-mail"} {
		if bytes.Contains(first, []byte(telltale)) {
			t.Errorf("says %s", telltale)
		}
	}
}

// TestMailBoundaries holds that no text can end the part it stands in, not even
// one whose author knows the boundaries.
func TestMailBoundaries(t *testing.T) {
	t.Parallel()
	first := composed(t, someMail())
	_, rest, _ := strings.Cut(string(first), `boundary="`)
	boundary, _, _ := strings.Cut(rest, `"`)
	m := someMail()
	m.Text = "before\r\n--" + boundary + "\r\nContent-Type: text/html\r\n\r\nafter\r\n--" + boundary + "--\r\n"
	m.HTML = m.Text
	got := readMail(t, composed(t, m))
	if got.Text != m.Text || got.HTML != m.HTML || len(got.Attachments) != 3 {
		t.Errorf("%+v", got)
	}
}

// TestMailHeaderLines holds that long header fields are folded and that what a
// reader would take for encoded is encoded.
func TestMailHeaderLines(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"", "plain", strings.Repeat("word ", 60) + "end", strings.Repeat("x", 500), strings.Repeat("Łódź 深圳 ", 40) + ".",
		"=?utf-8?q?a?=", " led and trailed ", "two  spaces", `a "quoted" \ name`, "🚢" + strings.Repeat("船", 100),
	} {
		m := someMail()
		m.Subject, m.From = text, (&mail.Address{Name: text, Address: "exports@hub.example"}).String()
		raw := composed(t, m)
		got := readMail(t, raw)
		if got.Subject != text || got.From != text+"|exports@hub.example" {
			t.Errorf("%q: subject %q, from %q", text, got.Subject, got.From)
		}
		head, _, _ := bytes.Cut(raw, []byte("\r\n\r\n"))
		for line := range bytes.SplitSeq(head, []byte("\r\n")) {
			if len(line) > 78 {
				t.Errorf("%d characters: %s", len(line), line)
			}
		}
	}
}

// TestMailRefuses holds that nothing gets into a header that could begin another,
// and that the error names the field.
func TestMailRefuses(t *testing.T) {
	t.Parallel()
	fields := map[string]func(m *reaction.Mail, text string){
		"From":                     func(m *reaction.Mail, text string) { m.From = text },
		"To":                       func(m *reaction.Mail, text string) { m.To = text },
		"Subject":                  func(m *reaction.Mail, text string) { m.Subject = text },
		"MessageID":                func(m *reaction.Mail, text string) { m.MessageID = text },
		"Attachments[1].Filename":  func(m *reaction.Mail, text string) { m.Attachments[1].Filename = text },
		"Attachments[1].MediaType": func(m *reaction.Mail, text string) { m.Attachments[1].MediaType = text },
	}
	refuse := func(field string, texts ...string) {
		t.Helper()
		for _, text := range texts {
			m := someMail()
			fields[field](m, text)
			if raw, err := m.Bytes(); err == nil || !strings.HasPrefix(err.Error(), field+": ") || strings.ContainsAny(err.Error(), "\r\n\x00") {
				t.Errorf("%s %q: %v, %d bytes", field, text, err, len(raw))
			}
		}
	}
	good := map[string]string{
		"From": "a@example.com", "To": "a@example.com", "Subject": "a", "MessageID": "a@example.com",
		"Attachments[1].Filename": "a", "Attachments[1].MediaType": `text/csv; name="a"`,
	}
	for field, value := range good {
		for _, c := range []string{"\r", "\n", "\r\n", "\x00", "\x1b", "\x7f", "\t", "\u0085", "\u2028", "\u2029", "\xff"} {
			refuse(field, value+c+"Bcc: x@example.com", c+value, value+c, value[:len(value)-1]+c+value[len(value)-1:])
		}
	}
	for _, field := range []string{"From", "To"} {
		refuse(field, "", "nobody", "a@example.com, b@example.com", "g: a@example.com;", "a@example.com (comment)", `"a b"@example.com`,
			`<"a>b"@example.com>`, "<a@example.com> b", "a@@example.com", "<@x:a@example.com>", "=?utf-8?q?a=0D=0AB?= <a@example.com>",
			strings.Repeat("a", 250)+"@example.com")
	}
	refuse("MessageID", "", "a", "a@", "@b", "a@b@c", "<a@b>", "a b@c", "a..b@c", "é@b", strings.Repeat("a", 250)+"@b")
	refuse("Attachments[1].Filename", "", ".", "..", "a/b", `a\b`, strings.Repeat("a", 256))
	refuse("Attachments[1].MediaType", "", "pdf", "application", "multipart/mixed", "message/rfc822", "a/b; c", "a/b; c="+strings.Repeat("a", 256))
	for _, change := range []func(*reaction.Mail){
		func(m *reaction.Mail) { m.Date = time.Time{} },
		func(m *reaction.Mail) { m.Date = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC) },
		func(m *reaction.Mail) { m.Text = "" },
		func(m *reaction.Mail) { m.HTML = "\xff" },
	} {
		m := someMail()
		change(m)
		if raw, err := m.Bytes(); err == nil {
			t.Errorf("composed\n%s", raw)
		}
	}
}

// TestCheckMailbox holds what mail can go to, and what it can come from.
func TestCheckMailbox(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("a", 63)
	long = strings.Join([]string{long, long, long}, ".")
	for _, tt := range []struct {
		text     string
		to, from bool
	}{
		{"exports@hub.example", true, true}, {"greenlane@localhost", true, true}, {"o'neill+exports@hub.example", true, true},
		{"exports@xn--d-uga0v2g.example", true, true}, {"ląd@hub.example", true, true},
		{"ląd@łódź.example", true, false}, {"a@[192.0.2.1]", true, false}, {"a@[IPv6:2001:db8::1]", false, false},
		{"a@" + long + ".example", true, true}, {"a@" + long + "." + strings.Repeat("b", 20), true, false},
		{"Greenlane <exports@hub.example>", false, false}, {"<exports@hub.example>", false, false}, {"exports", false, false},
		{"a@b, c@d", false, false}, {"", false, false}, {"a@b\n", false, false}, {" a@b", false, false}, {"a@b ", false, false},
		{"a@b\u00a0c", false, false}, {"a\u200bb@c", false, false}, {"a\xff@b", false, false}, {`"a b"@c`, false, false},
		{"a@b (c)", false, false}, {"a@" + long + "." + long, false, false},
	} {
		if err := reaction.CheckMailbox(tt.text); (err == nil) != tt.to {
			t.Errorf("to %q: %v", tt.text, err)
		}
		if err := reaction.CheckSender(tt.text); (err == nil) != tt.from {
			t.Errorf("from %q: %v", tt.text, err)
		}
	}
}

// FuzzMail holds for any content: either it is refused, or it reads back as it
// was, in the header fields of every mail and no other.
func FuzzMail(f *testing.F) {
	f.Add("a", "entry@example.com", "Subject", "exp_1.broker@hub.example", "text", "<p>", "a.pdf", "application/pdf", []byte("x"))
	f.Add("Łódź, Inc.", "ą@例.example", "=?utf-8?q?a?=  b", "a@b", ".\r\n..\n\r", "--=_\n", "Łódź \"深圳\".pdf", "text/csv; charset=utf-8", []byte{0})
	f.Add("a\r\nBcc: b@c", "a@b\r\n", "\n\n", "a@b>\r\nX: y", "\x00", "=", "a\r\nX: y", "a/b\r\nX: y", []byte(nil))
	f.Fuzz(func(t *testing.T, name, to, subject, id, text, html, filename, media string, content []byte) {
		m := &reaction.Mail{
			From: (&mail.Address{Name: name, Address: "exports@hub.example"}).String(), To: to, Subject: subject, MessageID: id,
			Date: time.Date(2026, 3, 11, 18, 12, 44, 0, time.UTC), Text: text, HTML: html,
			Attachments: []reaction.Attachment{{Filename: filename, MediaType: media, Bytes: content}},
		}
		raw, err := m.Bytes()
		if err != nil {
			return
		}
		got := readMail(t, raw)
		lines := strings.NewReplacer("\r\n", "\r\n", "\r", "\r\n", "\n", "\r\n")
		if got.Text != lines.Replace(text) || got.HTML != lines.Replace(html) {
			t.Errorf("text %q is %q, HTML %q is %q", text, got.Text, html, got.HTML)
		}
		if got.Subject != subject || got.MessageID != id || got.From != name+"|exports@hub.example" || !got.Date.Equal(m.Date) {
			t.Errorf("%+v, want %+v", got, m)
		}
		if len(got.Attachments) != 1 || got.Attachments[0].Filename != filename || !bytes.Equal(got.Attachments[0].Bytes, content) {
			t.Errorf("attachments %+v, want %q with %q", got.Attachments, filename, content)
		}
		for line := range bytes.SplitAfterSeq(raw, []byte("\n")) {
			if len(line) > 1000 || len(line) > 0 && !bytes.HasSuffix(line, []byte("\r\n")) || bytes.ContainsAny(bytes.TrimSuffix(line, []byte("\r\n")), "\r\x00") {
				t.Errorf("line %q", line)
			}
		}
	})
}
