package reaction_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"greenlane/internal/reaction"
)

// script is a server that says what a test has it say.
type script struct {
	t    *testing.T
	conn net.Conn
	r    *bufio.Reader
	// stop ends the client's context; over is closed when it is done.
	stop context.CancelFunc
	over chan struct{}
}

// say writes lines. A client that has hung up is no failure.
func (s *script) say(lines ...string) { io.WriteString(s.conn, strings.Join(lines, "\r\n")+"\r\n") }

// hear reads a line, which must be so.
func (s *script) hear(want string) {
	if line, err := s.r.ReadString('\n'); err != nil || line != want+"\r\n" {
		s.t.Errorf("heard %q (%v), want %s", line, err, want)
	}
}

// silence reads on and says nothing until the client hangs up.
func (s *script) silence() { io.Copy(io.Discard, s.r) }

// greet opens the conversation.
func (s *script) greet(extensions ...string) {
	s.say("220 mail.example.com ready")
	s.hear("EHLO hub.example")
	s.say("250-mail.example.com")
	for _, e := range extensions {
		s.say("250-" + e)
	}
	s.say("250 HELP")
}

// mail goes on to just after a command, which is not answered; MESSAGE is the
// message itself.
func (s *script) mail(upTo string) {
	for _, step := range []struct{ name, line, answer string }{
		{"MAIL", "MAIL FROM:<exports@hub.example>", "250 2.1.0 fine"},
		{"RCPT", "RCPT TO:<entry@example.com>", "250 2.1.5 fine"},
		{"DATA", "DATA", "354 go on"},
	} {
		s.hear(step.line)
		if step.name == upTo {
			return
		}
		s.say(step.answer)
	}
	for line := ""; line != ".\r\n"; {
		var err error
		if line, err = s.r.ReadString('\n'); err != nil {
			s.t.Errorf("the message breaks off: %v", err)
			return
		}
	}
}

// upTo is both.
func (s *script) upTo(command string) {
	s.greet()
	s.mail(command)
}

// trickle says a little each second.
func (s *script) trickle(text string) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for err := error(nil); err == nil; _, err = io.WriteString(s.conn, text) {
		<-tick.C
	}
}

// link is the client's end of the connection.
type link struct {
	net.Conn
	// address is where the other end is.
	address string
	// room is how many bytes can be written before the connection breaks; 0 for any
	// number.
	room int
}

func (c *link) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.ParseIP(c.address), Port: 587} }

func (c *link) Write(b []byte) (int, error) {
	if c.room > 0 {
		if c.room -= len(b); c.room <= 0 {
			return 0, &net.OpError{Op: "write", Err: syscall.EPIPE}
		}
	}
	return c.Conn.Write(b)
}

const scriptedMail = "Subject: a\r\n\r\n.text\r\n"

var longMail = strings.Repeat("line\r\n", 10_000)

// converse sends a message to a script, by a clock that goes on when nobody has
// anything to do. It returns how long that took, and what went wrong.
func converse(t *testing.T, url string, l *link, raw string, play func(*script)) (took time.Duration, failure *reaction.SendError) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		hub, server := net.Pipe()
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		s := &script{t: t, conn: server, r: bufio.NewReader(server), stop: cancel, over: make(chan struct{})}
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			defer server.Close()
			play(s)
		}()
		client, err := reaction.NewSMTP(url, reaction.SMTPOptions{
			Hello: "hub.example",
			Dial: func(context.Context, string, string) (net.Conn, error) {
				l.Conn = hub
				return l, nil
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		begin := time.Now()
		err = client.Send(ctx, "exports@hub.example", "entry@example.com", []byte(raw))
		took = time.Since(begin)
		close(s.over)
		<-ended
		if err != nil {
			failure = sendError(t, err)
		}
	})
	return took, failure
}

func here() *link { return &link{address: "127.0.0.1"} }

// fault is a way in which a conversation ends early: what the server does, what a
// person reads, how long it takes, and whether the message may have arrived.
type fault struct {
	name      string
	play      func(*script)
	says      string
	took      time.Duration
	uncertain bool
}

// TestSMTPSilence holds what becomes of a message when the relay stops answering,
// or never ends.
func TestSMTPSilence(t *testing.T) {
	t.Parallel()
	const limit = 20 * time.Second
	checkFaults(t, []fault{
		{"silent at once", func(s *script) { s.silence() }, "127.0.0.1:587 did not answer within 20 s (greeting)", limit, false},
		{"silent after the greeting", func(s *script) { s.say("220 a"); s.silence() }, "within 20 s (EHLO)", limit, false},
		{"silent after MAIL", func(s *script) { s.upTo("MAIL"); s.silence() }, "within 20 s (MAIL FROM)", limit, false},
		{"silent after RCPT", func(s *script) { s.upTo("RCPT"); s.silence() }, "within 20 s (RCPT TO)", limit, false},
		{"silent after DATA", func(s *script) { s.upTo("DATA"); s.silence() }, "within 20 s (DATA)", limit, false},
		{"silent after the dot", func(s *script) { s.upTo("MESSAGE"); s.silence() }, "within 120 s (after DATA)", 2 * time.Minute, true},
		{"stops reading", func(s *script) { s.upTo("DATA"); s.say("354 go on"); <-s.over }, "within 20 s (DATA)", limit, false},
		{"trickles", func(s *script) { s.trickle("220-a\r\n") }, "within 20 s (greeting)", limit, false},
		{"trickles after the dot", func(s *script) { s.upTo("MESSAGE"); s.trickle("250-") }, "within 120 s (after DATA)", 2 * time.Minute, true},
		{"talks without end", func(s *script) {
			for err := error(nil); err == nil; _, err = s.conn.Write(bytes.Repeat([]byte("220-"), 1<<10)) {
			}
		}, "the conversation with 127.0.0.1:587 failed (greeting): the server talks without end", 0, false},
		{"stopping", func(s *script) { s.upTo("RCPT"); s.stop(); s.silence() }, "the hub was stopping (RCPT TO)", 0, false},
		{"stopping after the dot", func(s *script) { s.upTo("MESSAGE"); s.stop(); s.silence() },
			"the hub was stopping (after DATA)", 0, true},
	})
}

// TestSMTPLargeMessage holds that the limit grows with the message, for each of
// its stages, and that a line that is slow and steady is no failure.
func TestSMTPLargeMessage(t *testing.T) {
	t.Parallel()
	for size, limit := range map[int]time.Duration{
		1 << 20: 20 * time.Second, 1<<20 + 128<<10 - 2: 20 * time.Second, 1<<20 + 128<<10: 21 * time.Second, 3 << 20: 36 * time.Second,
	} {
		raw := strings.Repeat(strings.Repeat("x", 126)+"\r\n", size/128) + strings.Repeat("y", size%128)
		if size%128 > 0 {
			raw = raw[:size-2] + "\r\n"
		}
		took, e := converse(t, "smtp://127.0.0.1", here(), raw, func(s *script) { s.upTo("DATA"); s.say("354 go on"); <-s.over })
		want := fmt.Sprintf("127.0.0.1:587 did not answer within %g s (DATA)", limit.Seconds())
		if e == nil || len(raw) != size || took != limit || e.Message != want || e.Uncertain {
			t.Errorf("%d bytes after %s: %+v, want %s", len(raw), took, e, want)
		}
	}
	raw := strings.Repeat(strings.Repeat("x", 126)+"\r\n", 2<<20/128)
	took, e := converse(t, "smtp://127.0.0.1", here(), raw, func(s *script) {
		s.upTo("DATA")
		s.say("354 go on")
		// 100 KB a second: longer than the limit of a small message.
		for rest := len(raw) + len(".\r\n"); rest > 0; rest -= 100_000 {
			time.Sleep(time.Second)
			if _, err := io.CopyN(io.Discard, s.r, int64(min(rest, 100_000))); err != nil {
				s.t.Error(err)
			}
		}
		s.say("250 taken")
		s.hear("QUIT")
		s.say("221 bye")
	})
	if e != nil || took != 21*time.Second {
		t.Errorf("after %s: %+v", took, e)
	}
}

// TestSMTPHangUp holds the same for a relay that hangs up.
func TestSMTPHangUp(t *testing.T) {
	t.Parallel()
	checkFaults(t, []fault{
		{"hangs up at once", func(*script) {}, "127.0.0.1:587 closed the connection (greeting)", 0, false},
		{"hangs up after RCPT", func(s *script) { s.upTo("RCPT") }, "closed the connection (RCPT TO)", 0, false},
		{"hangs up after DATA", func(s *script) { s.upTo("DATA") }, "closed the connection (DATA)", 0, false},
		{"hangs up in a long message", func(s *script) { s.upTo("DATA"); s.say("354 go on"); s.hear("line") },
			"failed (DATA): io: read/write on closed pipe", 0, false},
		{"hangs up after the dot", func(s *script) { s.upTo("MESSAGE") }, "closed the connection (after DATA)", 0, true},
		{"hangs up in its answer", func(s *script) { s.upTo("MESSAGE"); io.WriteString(s.conn, "25") },
			"failed (after DATA): short response: \"25\"", 0, true},
		{"babbles after the dot", func(s *script) { s.upTo("MESSAGE"); s.say("thanks"); s.silence() },
			"failed (after DATA): ", 0, true},
	})
}

// TestSMTPRefuses holds what is repeated of what a relay says.
func TestSMTPRefuses(t *testing.T) {
	t.Parallel()
	checkFaults(t, []fault{
		{"too busy", func(s *script) { s.say("421-too busy", "421 come back later"); s.silence() },
			"127.0.0.1:587 refused the connection: 421 too busy come back later", 0, false},
		{"no service", func(s *script) { s.say("554 no SMTP service here"); s.silence() },
			"127.0.0.1:587 refused the connection: 554 no SMTP service here", 0, false},
		{"no hello", func(s *script) {
			s.say("220 a")
			s.hear("EHLO hub.example")
			s.say("550 you may not")
			s.hear("HELO hub.example")
			s.say("550 neither")
			s.silence()
		}, "127.0.0.1:587 refused EHLO hub.example: 550 you may not", 0, false},
		{"refuses STARTTLS", func(s *script) { s.greet("STARTTLS"); s.hear("STARTTLS"); s.say("454 4.7.0 not now"); s.silence() },
			"127.0.0.1:587 refused STARTTLS: 454 4.7.0 not now", 0, false},
		{"injects behind STARTTLS", func(s *script) {
			s.greet("STARTTLS")
			s.hear("STARTTLS")
			s.say("220 go on", "250-AUTH PLAIN", "250 fine")
			if first, err := s.r.ReadByte(); err != nil || first != 22 {
				s.t.Errorf("heard %d (%v) where a TLS handshake must begin (RFC 8446, 5.1)", first, err)
			}
		}, "closed the connection (STARTTLS)", 0, false},
		{"refuses the message for now", func(s *script) { s.upTo("MESSAGE"); s.say("451 4.3.0 try again"); s.silence() },
			"127.0.0.1:587 refused the message: 451 4.3.0 try again", 0, false},
		{"refuses the message", func(s *script) { s.upTo("MESSAGE"); s.say("554-5.7.1 spam", "554 5.7.1 \x1b[31mred"); s.silence() },
			"127.0.0.1:587 refused the message: 554 5.7.1 spam 5.7.1 [31mred", 0, false},
	})
}

func checkFaults(t *testing.T, faults []fault) {
	t.Helper()
	for _, tt := range faults {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			raw := scriptedMail
			if tt.name == "stops reading" || tt.name == "hangs up in a long message" {
				raw = longMail
			}
			took, e := converse(t, "smtp://127.0.0.1", here(), raw, tt.play)
			if e == nil {
				t.Fatal("it was sent")
			}
			if !strings.Contains(e.Message, tt.says) || e.Uncertain != tt.uncertain || took != tt.took {
				t.Errorf("after %s: %+v", took, e)
			}
			if strings.HasPrefix(tt.name, "stopping") != errors.Is(e, context.Canceled) {
				t.Errorf("cause %v", errors.Unwrap(e))
			}
		})
	}
}

// TestSMTPRefusesEarly holds that a relay that hangs up amid the message is heard
// first.
func TestSMTPRefusesEarly(t *testing.T) {
	t.Parallel()
	l := here()
	l.room = 5000
	_, e := converse(t, "smtp://127.0.0.1", l, longMail, func(s *script) {
		s.upTo("DATA")
		s.say("354 go on")
		s.hear("line")
		s.say("552 5.3.4 too large")
	})
	if e == nil || e.Message != "127.0.0.1:587 refused the message: 552 5.3.4 too large" || e.Uncertain {
		t.Errorf("%+v", e)
	}
	l = here()
	l.room = 5000
	_, e = converse(t, "smtp://127.0.0.1", l, longMail, func(s *script) { s.upTo("DATA"); s.say("354 go on"); s.hear("line") })
	if e == nil || e.Message != "the conversation with 127.0.0.1:587 failed (DATA): broken pipe" || e.Uncertain {
		t.Errorf("%+v", e)
	}
}

// TestSMTPNeeds holds that an extension is asked for only where it is needed, and
// that a message that needs one is not sent without it.
func TestSMTPNeeds(t *testing.T) {
	t.Parallel()
	_, e := converse(t, "smtp://127.0.0.1", here(), "Łódź\r\n", func(s *script) { s.greet("SMTPUTF8"); s.silence() })
	if e == nil || e.Message != "127.0.0.1:587 offers no 8BITMIME, which this message needs" {
		t.Errorf("%+v", e)
	}
	_, e = converse(t, "smtp://127.0.0.1", here(), "Łódź\r\n", func(s *script) {
		s.greet("SMTPUTF8", "8BITMIME", "SIZE 1000")
		s.hear("MAIL FROM:<exports@hub.example> SIZE=9 BODY=8BITMIME")
		s.say("250 fine")
		s.hear("RCPT TO:<entry@example.com>")
		s.say("251 will forward")
		s.hear("DATA")
		s.say("354 go on")
		s.hear("Łódź")
		s.hear(".")
		s.say("250 taken")
		s.hear("QUIT")
		s.say("221 bye")
	})
	if e != nil {
		t.Error(e)
	}
}

// TestSMTPWithoutGoodbye holds that a message that was taken is sent, whatever
// becomes of the goodbye, and that a server can't draw that out.
func TestSMTPWithoutGoodbye(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		then func(*script)
		took time.Duration
	}{
		{"hangs up", func(*script) {}, 0},
		{"silent", func(s *script) { s.silence() }, 2 * time.Second},
		{"stops reading", func(s *script) { <-s.over }, 2 * time.Second},
		{"refuses", func(s *script) { s.hear("QUIT"); s.say("500 stay") }, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			took, e := converse(t, "smtp://127.0.0.1", here(), scriptedMail, func(s *script) {
				s.upTo("MESSAGE")
				s.say("250 taken")
				tt.then(s)
			})
			if e != nil || took != tt.took {
				t.Errorf("after %s: %+v", took, e)
			}
		})
	}
}

// TestSMTPElsewhere holds that a name that means this machine is believed only
// when the connection goes there: else nothing is said without TLS, least of all
// a password.
func TestSMTPElsewhere(t *testing.T) {
	t.Parallel()
	for _, url := range []string{"smtp://hub:s3cret@localhost", "smtp://hub:s3cret@localhost?tls=off"} {
		_, e := converse(t, url, &link{address: "192.0.2.1"}, scriptedMail, func(s *script) {
			s.greet("AUTH PLAIN LOGIN")
			if rest, err := io.ReadAll(s.r); err != nil || len(rest) > 0 {
				s.t.Errorf("heard %q (%v)", rest, err)
			}
		})
		if e == nil || e.Message != "localhost:587 offers no STARTTLS" {
			t.Errorf("%s: %+v", url, e)
		}
	}
}

// TestSMTPScramRounds holds that a server can't have the hub hash for hours.
func TestSMTPScramRounds(t *testing.T) {
	t.Parallel()
	_, e := converse(t, "smtp://hub:s3cret@127.0.0.1", here(), scriptedMail, func(s *script) {
		s.greet("AUTH SCRAM-SHA-256")
		s.hear("AUTH SCRAM-SHA-256")
		s.say("334 ")
		s.r.ReadString('\n')
		s.say("334 cj1hLHM9c2FsdCxpPTIwMDAwMDAwMDA=") // r=a,s=salt,i=2000000000
		s.hear("*")
		s.say("501 canceled")
		s.silence()
	})
	if e == nil || !strings.HasSuffix(e.Message, "failed (AUTH): the server asks for an absurd number of SCRAM rounds") {
		t.Errorf("%+v", e)
	}
}

// TestSMTPConnecting holds that connecting counts towards the limit.
func TestSMTPConnecting(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, err := reaction.NewSMTP("smtps://mail.example.com", reaction.SMTPOptions{
			Limit: 90 * time.Second,
			Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
				<-ctx.Done()
				return nil, ctx.Err()
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		begin := time.Now()
		e := sendError(t, s.Send(t.Context(), "a@b", "c@d", []byte("a\r\n")))
		if e.Message != "mail.example.com:465 can't be reached: no connection within 90 s" || time.Since(begin) != 90*time.Second {
			t.Errorf("after %s: %+v", time.Since(begin), e)
		}
	})
}

// TestSMTPSilentHandshake holds that the limit covers TLS too.
func TestSMTPSilentHandshake(t *testing.T) {
	t.Parallel()
	took, e := converse(t, "smtps://mail.example.com", &link{address: "192.0.2.1"}, scriptedMail, func(s *script) { s.silence() })
	if e == nil || e.Message != "mail.example.com:465 did not answer within 20 s (TLS)" || took != 20*time.Second {
		t.Errorf("after %s: %+v", took, e)
	}
}
