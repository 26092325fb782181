package reaction

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/textproto"
	"os"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/wneessen/go-mail/smtp"
)

const (
	// maxServerBytes is how much a server may say in one conversation.
	maxServerBytes = 256 << 10
	// maxServerText is how much of an answer is repeated, in characters.
	maxServerText = 200
	// quitTimeout is how long a server may take to say goodbye.
	quitTimeout = 2 * time.Second
	// maxTextLine is the longest line without its CRLF (RFC 5321, 4.5.3.1.6).
	maxTextLine = 998
	// usualSize is the largest message for which the limit of time is as it was
	// set; beyond it each slowStep gets a second, so that a slow line is no failure.
	usualSize = 1 << 20
	slowStep  = 128 << 10
)

// Send hands a message to the relay as it is, byte for byte, in a connection of
// its own. From and to may have names; the envelope takes the addresses alone. It
// returns once the relay has taken responsibility for the message, or a
// [SendError]. Neither a silent nor an endless server keeps it beyond the limit.
func (s *SMTP) Send(ctx context.Context, from, to string, raw []byte) error {
	sender, err := parseMailbox("sender", from)
	if err != nil {
		return sendErrorf("%v", err)
	}
	recipient, err := parseMailbox("recipient", to)
	if err != nil {
		return sendErrorf("%v", err)
	}
	if err := checkMessage(raw); err != nil {
		return sendErrorf("the message can't be sent as it is: %v", err)
	}
	limit := s.limit(len(raw))
	limited, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	patience := time.AfterFunc(limit, func() { cancel(context.DeadlineExceeded) })
	defer patience.Stop()
	c := &conversation{SMTP: s, asked: ctx, ctx: limited, patience: patience, limit: limit, stage: stageConnecting}
	if err := c.send(sender.Address, recipient.Address, raw); err != nil {
		return c.explain(err)
	}
	return nil
}

// limit is how long sending a message of a size may take.
func (s *SMTP) limit(size int) time.Duration {
	return s.options.Limit + time.Duration(max(0, size-usualSize)/slowStep)*time.Second
}

// checkMessage refuses what the protocol would change or another server could
// read otherwise: a bare CR or LF may end a message early (RFC 5321, 2.3.8).
func checkMessage(raw []byte) error {
	if !bytes.HasSuffix(raw, []byte("\r\n")) {
		return errors.New("its last line does not end with CRLF")
	}
	for line := range bytes.SplitAfterSeq(raw, []byte("\n")) {
		text, ended := bytes.CutSuffix(line, []byte("\r\n"))
		switch {
		case len(line) > 0 && !ended || bytes.IndexByte(text, '\r') >= 0:
			return errors.New("it has a bare carriage return or line feed")
		case bytes.IndexByte(text, 0) >= 0:
			return errors.New("it has a NUL character")
		case len(text) > maxTextLine:
			return fmt.Errorf("it has a line of more than %d bytes", maxTextLine)
		}
	}
	return nil
}

// stageConnecting is the first stage of a conversation.
const stageConnecting = "connecting"

// conversation is one connection to the relay.
type conversation struct {
	*SMTP
	// asked is the caller's context, ctx ends with it or when patience does, after
	// the limit.
	asked, ctx context.Context
	limit      time.Duration
	patience   *time.Timer
	// stage is what is under way, for errors; refusal what a refusal there means.
	stage, refusal string
	// near says that the other end is on this machine.
	near   bool
	client *smtp.Client
	// handed says that the final dot was sent: from here on the relay may have
	// the message, whatever becomes of the connection.
	handed bool
}

// at notes what comes next.
func (c *conversation) at(stage, refusal string, args ...any) {
	c.stage, c.refusal = stage, fmt.Sprintf(refusal, args...)
}

func (c *conversation) send(from, to string, raw []byte) error {
	conn, err := c.options.Dial(c.ctx, "tcp", c.address)
	if err != nil {
		return err
	}
	defer conn.Close()
	defer interrupt(c.ctx, conn)()
	peer, ok := conn.RemoteAddr().(*net.TCPAddr)
	c.near = c.loopback && ok && peer.IP.IsLoopback()
	if err := c.greet(&boundedConn{Conn: conn, left: maxServerBytes}); err != nil {
		return err
	}
	if err := c.secure(); err != nil {
		return err
	}
	if err := c.login(); err != nil {
		return err
	}
	if err := c.envelope(from, to, raw); err != nil {
		return err
	}
	if err := c.data(raw); err != nil {
		return err
	}
	c.quit(conn)
	return nil
}

// interrupt makes whatever waits for a connection fail once ctx ends. The function
// it returns ends that.
func interrupt(ctx context.Context, conn net.Conn) func() {
	done := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(done)
		conn.SetDeadline(time.Unix(1, 0))
	})
	return func() {
		if !stop() {
			<-done
		}
	}
}

// greet takes the greeting and introduces the hub.
func (c *conversation) greet(conn net.Conn) error {
	hello := c.options.Hello
	if hello == "" {
		hello = addressLiteral(conn.LocalAddr())
	}
	if c.policy == tlsImplicit {
		c.at("TLS", "")
		secured := tls.Client(conn, c.tls)
		if err := secured.HandshakeContext(c.ctx); err != nil {
			return err
		}
		conn = secured
	}
	c.at("greeting", "the connection")
	client, err := smtp.NewClient(conn, c.host)
	if err != nil {
		return err
	}
	c.client = client
	c.at("EHLO", "EHLO %s", hello)
	return client.Hello(hello)
}

// addressLiteral names a machine that knows no name of its own (RFC 5321, 4.1.3).
func addressLiteral(a net.Addr) string {
	tcp, ok := a.(*net.TCPAddr)
	switch {
	case !ok:
		return "localhost"
	case tcp.IP.To4() != nil:
		return "[" + tcp.IP.To4().String() + "]"
	}
	return "[IPv6:" + tcp.IP.String() + "]"
}

// secure turns to TLS by the policy.
func (c *conversation) secure() error {
	if c.policy == tlsImplicit || c.policy == tlsOff && c.near {
		return nil
	}
	offered, _ := c.client.Extension("STARTTLS")
	if !offered {
		if c.policy == tlsAuto && c.near {
			return nil
		}
		return sendErrorf("%s offers no STARTTLS", c.address)
	}
	c.at("STARTTLS", "STARTTLS")
	return c.client.StartTLS(c.tls)
}

// login proves who the hub is, where the URL has a user.
func (c *conversation) login() error {
	if c.user == "" {
		return nil
	}
	_, encrypted := c.client.TLSConnectionState()
	if !encrypted && !c.near {
		return errors.New("name and password are sent over TLS alone")
	}
	offered, mechanisms := c.client.Extension("AUTH")
	if !offered {
		return sendErrorf("%s offers no AUTH, but the SMTP URL has a user", c.address)
	}
	auth := c.mechanism(strings.Fields(mechanisms))
	if auth == nil {
		return sendErrorf("%s offers none of the AUTH mechanisms %s, only %s",
			c.address, strings.Join(authMechanisms, ", "), c.clean(mechanisms))
	}
	c.at("AUTH", "user and password")
	return c.client.Auth(auth)
}

// authMechanisms are those the hub knows, the one that tells the server least
// first. Those with channel binding are left out: they fail behind every proxy
// that ends TLS.
var authMechanisms = []string{"SCRAM-SHA-256", "SCRAM-SHA-1", "PLAIN", "LOGIN"}

// mechanism returns the best of those offered, nil if there is none.
func (c *conversation) mechanism(offered []string) smtp.Auth {
	for _, known := range authMechanisms {
		for _, name := range offered {
			if !strings.EqualFold(name, known) {
				continue
			}
			// Whether the connection may carry a password is decided in login.
			switch known {
			case "SCRAM-SHA-256":
				return boundedScram{smtp.ScramSHA256Auth(c.user, c.password)}
			case "SCRAM-SHA-1":
				return boundedScram{smtp.ScramSHA1Auth(c.user, c.password)}
			case "PLAIN":
				return smtp.PlainAuth("", c.user, c.password, c.host, true)
			case "LOGIN":
				return smtp.LoginAuth(c.user, c.password, c.host, true)
			}
		}
	}
	return nil
}

// boundedScram refuses to hash for as long as a server likes: no limit of time
// ends that (RFC 7677, 4, expects 4096 rounds and more).
type boundedScram struct{ smtp.Auth }

const maxScramRounds = 1_000_000

// Next implements [smtp.Auth].
func (a boundedScram) Next(fromServer []byte, more bool) ([]byte, error) {
	for part := range bytes.SplitSeq(fromServer, []byte(",")) {
		if rounds, ok := bytes.CutPrefix(part, []byte("i=")); ok {
			if n, err := strconv.Atoi(string(rounds)); err != nil || n < 1 || n > maxScramRounds {
				return nil, errors.New("the server asks for an absurd number of SCRAM rounds")
			}
		}
	}
	return a.Auth.Next(fromServer, more)
}

// envelope names sender and recipient. Extensions are asked for only where the
// message needs them: a relay may have to refuse what it can't hand on.
func (c *conversation) envelope(from, to string, raw []byte) error {
	parameters := ""
	if offered, _ := c.client.Extension("SIZE"); offered {
		parameters += " SIZE=" + strconv.Itoa(len(raw))
	}
	eightBit := bytes.ContainsFunc(raw, func(r rune) bool { return r > unicode.MaxASCII })
	international := strings.ContainsFunc(from+to, func(r rune) bool { return r > unicode.MaxASCII })
	for _, need := range []struct {
		is              bool
		name, parameter string
	}{{eightBit || international, "8BITMIME", " BODY=8BITMIME"}, {international, "SMTPUTF8", " SMTPUTF8"}} {
		if !need.is {
			continue
		}
		if offered, _ := c.client.Extension(need.name); !offered {
			return sendErrorf("%s offers no %s, which this message needs", c.address, need.name)
		}
		parameters += need.parameter
	}
	c.at("MAIL FROM", "the sender %s", from)
	if err := c.command(2, "MAIL FROM:<%s>%s", from, parameters); err != nil {
		return err
	}
	c.at("RCPT TO", "the recipient %s", to)
	return c.command(2, "RCPT TO:<%s>", to)
}

// command sends a line and waits for an answer whose code begins as expected.
func (c *conversation) command(code int, format string, args ...any) error {
	id, err := c.client.Text.Cmd(format, args...)
	if err != nil {
		return err
	}
	c.client.Text.StartResponse(id)
	defer c.client.Text.EndResponse(id)
	return c.answer(code)
}

func (c *conversation) answer(code int) error {
	_, _, err := c.client.Text.ReadResponse(code)
	return err
}

// data hands the message over. The writer doubles the dots that begin lines and
// sends the final one with its Close; while that fails the relay can't have seen
// it.
func (c *conversation) data(raw []byte) error {
	c.at("DATA", "the message")
	if err := c.command(354, "DATA"); err != nil {
		return err
	}
	w := c.client.Text.DotWriter()
	_, err := w.Write(raw)
	if closing := w.Close(); err != nil || closing != nil {
		// A relay that gives up early says why before it hangs up.
		var refused *textproto.Error
		if said := c.answer(2); errors.As(said, &refused) {
			return refused
		}
		return cmp.Or(err, closing)
	}
	c.at("after DATA", "the message")
	c.handed = true
	if c.patience.Stop() {
		c.limit = c.options.Answer
		c.patience.Reset(c.limit)
	}
	return c.answer(2)
}

// quit ends the conversation in good order. The message is the relay's by now, so
// a failure changes nothing.
func (c *conversation) quit(conn net.Conn) {
	ctx, cancel := context.WithTimeout(c.ctx, quitTimeout)
	defer cancel()
	defer interrupt(ctx, conn)()
	c.client.Quit()
}

// explain says in words what ended the conversation.
func (c *conversation) explain(err error) *SendError {
	if own, ok := errors.AsType[*SendError](err); ok {
		return own
	}
	if refused, ok := errors.AsType[*textproto.Error](err); ok {
		return c.refused(refused)
	}
	e := &SendError{Uncertain: c.handed}
	ended := c.ctx.Err() != nil && (c.stage == stageConnecting || errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, c.ctx.Err()))
	switch {
	case ended:
		e.cause = context.Cause(c.ctx)
	case c.stage == stageConnecting:
		e.cause = err
	}
	var dns *net.DNSError
	var certificate *tls.CertificateVerificationError
	var record tls.RecordHeaderError
	why := c.clean(rootOf(err).Error())
	switch {
	case ended && errors.Is(c.asked.Err(), context.Canceled):
		e.Message = fmt.Sprintf("the hub was stopping (%s)", c.stage)
	case ended && c.asked.Err() != nil:
		e.Message = fmt.Sprintf("%s did not answer in time (%s)", c.address, c.stage)
	case ended && c.stage == stageConnecting:
		e.Message = fmt.Sprintf("%s can't be reached: no connection within %g s", c.address, c.limit.Seconds())
	case ended:
		e.Message = fmt.Sprintf("%s did not answer within %g s (%s)", c.address, c.limit.Seconds(), c.stage)
	case errors.As(err, &dns):
		e.Message = fmt.Sprintf("%s can't be reached: the host name could not be resolved: %s", c.address, dns.Err)
	case errors.As(err, &certificate):
		e.Message = fmt.Sprintf("the TLS certificate of %s was not accepted: %s", c.address, c.clean(certificate.Err.Error()))
		if c.near {
			e.Message += "; tls=off in the SMTP URL leaves TLS out on this machine"
		}
	case errors.As(err, &record):
		e.Message = fmt.Sprintf("%s does not speak TLS there", c.address)
	case c.stage == stageConnecting:
		e.Message = fmt.Sprintf("%s can't be reached: %s", c.address, why)
	case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
		e.Message = fmt.Sprintf("%s closed the connection (%s)", c.address, c.stage)
	default:
		e.Message = fmt.Sprintf("the conversation with %s failed (%s): %s", c.address, c.stage, why)
	}
	return e
}

// rootOf leaves out what wraps a system's error: addresses and calls.
func rootOf(err error) error {
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return err
		}
		err = inner
	}
}

// refused says what the relay answered.
func (c *conversation) refused(answer *textproto.Error) *SendError {
	text := strconv.Itoa(answer.Code)
	if said := c.clean(answer.Msg); said != "" {
		text += " " + said
	}
	return sendErrorf("%s refused %s: %s", c.address, c.refusal, text)
}

// clean makes a server's text fit to be shown: one line, bounded, and without the
// password, which a server may repeat.
func (c *conversation) clean(text string) string {
	if c.password != "" {
		for _, secret := range []string{
			c.password, base64.StdEncoding.EncodeToString([]byte(c.password)),
			base64.StdEncoding.EncodeToString([]byte("\x00" + c.user + "\x00" + c.password)),
		} {
			if strings.Contains(text, secret) {
				return ""
			}
		}
	}
	return shorten(oneLine(text), maxServerText)
}

// oneLine makes one line of text: control characters become spaces, and of
// several spaces one is left.
func oneLine(text string) string {
	text = strings.Map(func(r rune) rune {
		if breaksLines(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, "\uFFFD"))
	return strings.Join(strings.Fields(text), " ")
}

// shorten cuts a text to so many characters.
func shorten(text string, n int) string {
	if r := []rune(text); len(r) > n {
		return string(r[:n-1]) + "…"
	}
	return text
}

// boundedConn ends a conversation in which the other side has said too much: a
// line without end would fill the memory long before the limit of time.
type boundedConn struct {
	net.Conn
	left int
}

// Read implements [net.Conn].
func (c *boundedConn) Read(b []byte) (int, error) {
	if c.left <= 0 {
		return 0, errors.New("the server talks without end")
	}
	n, err := c.Conn.Read(b[:min(len(b), c.left)])
	c.left -= n
	return n, err
}
