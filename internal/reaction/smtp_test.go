package reaction_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
	"github.com/google/go-cmp/cmp"

	"greenlane/internal/reaction"
)

const (
	relayUser     = "hub@example.com"
	relayPassword = "päss/w@rd:1 %"
)

// relay is a real SMTP server. What it is told to do is set before it starts.
type relay struct {
	*smtp.Server
	address string
	roots   *x509.CertPool
	// mechanisms are offered for AUTH; loginNeeded refuses mail without.
	mechanisms  []string
	loginNeeded bool
	// refuse answers a recipient, accept a message.
	refuse, accept error

	mu  sync.Mutex
	got []received
}

// received is a message with its envelope.
type received struct {
	from, to, hello string
	options         smtp.MailOptions
	secure          bool
	login           string
	raw             []byte
}

type relayStart int

const (
	plain relayStart = iota
	startTLS
	implicitTLS
)

// newRelay starts a server. Its certificate is for mail.example.com and this
// machine.
func newRelay(t testing.TB, how relayStart, change func(*relay)) *relay {
	t.Helper()
	r := &relay{}
	r.Server = smtp.NewServer(smtp.BackendFunc(func(c *smtp.Conn) (smtp.Session, error) { return &relaySession{r: r, conn: c}, nil }))
	r.ErrorLog = log.New(io.Discard, "", 0)
	r.AllowInsecureAuth = true
	if change != nil {
		change(r)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r.address = listener.Addr().String()
	if how != plain {
		var certificate tls.Certificate
		certificate, r.roots = newCertificate(t)
		config := &tls.Config{Certificates: []tls.Certificate{certificate}}
		if how == implicitTLS {
			listener = tls.NewListener(listener, config)
		} else {
			r.TLSConfig = config
		}
	}
	ended := make(chan struct{})
	go func() { defer close(ended); r.Serve(listener) }()
	t.Cleanup(func() {
		// It waits for the conversations, which end with the clients' connections.
		r.Shutdown(context.Background())
		<-ended
	})
	return r
}

// newCertificate makes a certificate that judges itself.
func newCertificate(t testing.TB) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		DNSNames: []string{"mail.example.com", "localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(parsed)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pool
}

// arrived returns what the server took.
func (r *relay) arrived() []received {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.got)
}

// sender makes the client. A host of example.com leads to the server too.
func (r *relay) sender(t testing.TB, scheme, user, host, query string) *reaction.SMTP {
	t.Helper()
	_, port, err := net.SplitHostPort(r.address)
	if err != nil {
		t.Fatal(err)
	}
	u := url.URL{Scheme: scheme, Host: net.JoinHostPort(host, port), RawQuery: query}
	if user != "" {
		u.User = url.UserPassword(user, relayPassword)
	}
	s, err := reaction.NewSMTP(u.String(), reaction.SMTPOptions{
		Hello: "hub.example", RootCAs: r.roots,
		Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, r.address)
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

type relaySession struct {
	r    *relay
	conn *smtp.Conn
	mail received
}

func (s *relaySession) Reset()        {}
func (s *relaySession) Logout() error { return nil }

func (s *relaySession) AuthMechanisms() []string { return s.r.mechanisms }

func (s *relaySession) Auth(mechanism string) (sasl.Server, error) {
	check := func(user, password string) error {
		if user != relayUser || password != relayPassword {
			// Some servers repeat what they were told.
			return &smtp.SMTPError{Code: 535, EnhancedCode: smtp.EnhancedCode{5, 7, 8}, Message: "no such login: " + password}
		}
		s.mail.login = mechanism
		return nil
	}
	switch mechanism {
	case "PLAIN":
		return sasl.NewPlainServer(func(_, user, password string) error { return check(user, password) }), nil
	case "LOGIN":
		return &loginServer{check: check}, nil
	case "SCRAM-SHA-256":
		return &scramServer{rounds: 4096, check: check}, nil
	}
	return nil, smtp.ErrAuthUnknownMechanism
}

func (s *relaySession) Mail(from string, o *smtp.MailOptions) error {
	if s.r.loginNeeded && s.mail.login == "" {
		return smtp.ErrAuthRequired
	}
	_, s.mail.secure = s.conn.TLSConnectionState()
	s.mail.from, s.mail.options, s.mail.hello = from, *o, s.conn.Hostname()
	return nil
}

func (s *relaySession) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.mail.to = to
	return s.r.refuse
}

func (s *relaySession) Data(r io.Reader) error {
	raw, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	s.mail.raw = raw
	if s.r.accept != nil {
		return s.r.accept
	}
	s.r.mu.Lock()
	defer s.r.mu.Unlock()
	s.r.got = append(s.r.got, s.mail)
	return nil
}

// loginServer is the server's side of LOGIN.
type loginServer struct {
	check func(user, password string) error
	user  *string
}

func (s *loginServer) Next(response []byte) ([]byte, bool, error) {
	switch {
	case response == nil:
		return []byte("Username:"), false, nil
	case s.user == nil:
		user := string(response)
		s.user = &user
		return []byte("Password:"), false, nil
	}
	return nil, true, s.check(*s.user, string(response))
}

// scramServer is the server's side of SCRAM-SHA-256 (RFC 5802, 3).
type scramServer struct {
	rounds      int
	check       func(user, password string) error
	step        int
	first, sent string
}

func (s *scramServer) Next(response []byte) ([]byte, bool, error) {
	s.step++
	switch s.step {
	case 1:
		return nil, false, nil
	case 2:
		s.first = strings.TrimPrefix(string(response), "n,,")
		_, nonce, _ := strings.Cut(s.first, ",r=")
		s.sent = fmt.Sprintf("r=%sserver,s=%s,i=%d", nonce, base64.StdEncoding.EncodeToString([]byte("salt")), s.rounds)
		return []byte(s.sent), false, nil
	case 3:
		bare, proof, _ := strings.Cut(string(response), ",p=")
		text := s.first + "," + s.sent + "," + bare
		salted, err := pbkdf2.Key(sha256.New, relayPassword, []byte("salt"), s.rounds, 32)
		if err != nil {
			return nil, false, err
		}
		key := hash(salted, "Client Key")
		stored := sha256.Sum256(key)
		want := hash(stored[:], text)
		for i := range want {
			want[i] ^= key[i]
		}
		if proof != base64.StdEncoding.EncodeToString(want) || !strings.HasPrefix(s.first, "n="+relayUser+",") {
			return nil, false, s.check("", "")
		}
		signature := base64.StdEncoding.EncodeToString(hash(hash(salted, "Server Key"), text))
		return []byte("v=" + signature), false, s.check(relayUser, relayPassword)
	}
	return nil, true, nil
}

func hash(key []byte, text string) []byte {
	mac := hmac.New(sha256.New, key)
	io.WriteString(mac, text)
	return mac.Sum(nil)
}

// sendError returns what went wrong; it must have.
func sendError(t testing.TB, err error) *reaction.SendError {
	t.Helper()
	e, ok := errors.AsType[*reaction.SendError](err)
	if !ok {
		t.Fatalf("got %v", err)
	}
	for _, secret := range []string{relayPassword, url.QueryEscape(relayPassword), base64.StdEncoding.EncodeToString([]byte(relayPassword))} {
		for _, text := range []string{e.Error(), fmt.Sprintf("%+v", e), fmt.Sprint(errors.Unwrap(e))} {
			if strings.Contains(text, secret) {
				t.Errorf("the password is in %q", text)
			}
		}
	}
	if strings.ContainsAny(e.Message, "\r\n\x00") {
		t.Errorf("control characters in %q", e.Message)
	}
	return e
}

// TestSMTPDelivers holds that what the server stores is what was sent, to the
// byte, over each kind of connection and with each way to log in.
func TestSMTPDelivers(t *testing.T) {
	t.Parallel()
	raw := composed(t, someMail())
	for _, tt := range []struct {
		name                      string
		how                       relayStart
		scheme, user, host, query string
		mechanisms                []string
		login                     string
	}{
		{"this machine, plain", plain, "smtp", "", "127.0.0.1", "", nil, ""},
		{"this machine by name", plain, "smtp", "", "localhost", "tls=auto", nil, ""},
		{"this machine, PLAIN", plain, "smtp", relayUser, "127.0.0.1", "", []string{"PLAIN"}, "PLAIN"},
		{"this machine, TLS left out", startTLS, "smtp", "", "127.0.0.1", "tls=off", nil, ""},
		{"this machine, STARTTLS", startTLS, "smtp", "", "127.0.0.1", "", nil, ""},
		{"STARTTLS", startTLS, "smtp", "", "mail.example.com", "", nil, ""},
		{"STARTTLS required", startTLS, "smtp", "", "mail.example.com", "tls=required", nil, ""},
		{"STARTTLS, PLAIN", startTLS, "smtp", relayUser, "mail.example.com", "", []string{"LOGIN", "PLAIN"}, "PLAIN"},
		{"STARTTLS, LOGIN", startTLS, "smtp", relayUser, "mail.example.com", "", []string{"XOAUTH2", "LOGIN"}, "LOGIN"},
		{"STARTTLS, SCRAM", startTLS, "smtp", relayUser, "mail.example.com", "", []string{"PLAIN", "SCRAM-SHA-256"}, "SCRAM-SHA-256"},
		{"TLS", implicitTLS, "smtps", relayUser, "mail.example.com", "", []string{"PLAIN"}, "PLAIN"},
		{"TLS required", implicitTLS, "smtps", "", "mail.example.com", "tls=required", nil, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := newRelay(t, tt.how, func(r *relay) { r.mechanisms, r.loginNeeded = tt.mechanisms, tt.login != "" })
			s := r.sender(t, tt.scheme, tt.user, tt.host, tt.query)
			if err := s.Send(t.Context(), "Hub <exports@hub.example>", "entry@example.com", raw); err != nil {
				t.Fatal(err)
			}
			want := []received{{
				from: "exports@hub.example", to: "entry@example.com", hello: "hub.example", raw: raw, login: tt.login,
				secure: tt.how != plain && tt.query != "tls=off", options: smtp.MailOptions{Size: int64(len(raw))},
			}}
			if diff := cmp.Diff(want, r.arrived(), cmp.AllowUnexported(received{})); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestSMTPKeepsBytes holds that nothing is changed on the way: dots, long lines,
// five megabytes, characters beyond ASCII.
func TestSMTPKeepsBytes(t *testing.T) {
	t.Parallel()
	large := someMail()
	large.Attachments[1].Bytes = bytes.Repeat([]byte("0123456789abcdef"), 5<<20/16)
	r := newRelay(t, plain, func(r *relay) { r.EnableSMTPUTF8 = true })
	s := r.sender(t, "smtp", "", "127.0.0.1", "")
	for name, raw := range map[string][]byte{
		"dots":       []byte(".\r\n..\r\n.a\r\n...\r\n\r\n.\r\n"),
		"a dot last": []byte("Subject: a\r\n\r\ntext\r\n.\r\n"),
		"long lines": []byte(strings.Repeat("x", 998) + "\r\n." + strings.Repeat("y", 997) + "\r\n"),
		"five MB":    composed(t, large),
		"8 bit":      []byte("Subject: Łódź\r\n\r\n深圳\r\n"),
	} {
		before := len(r.arrived())
		if err := s.Send(t.Context(), "exports@hub.example", "entry@example.com", raw); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		got := r.arrived()[before]
		if !bytes.Equal(got.raw, raw) {
			t.Errorf("%s: %d bytes arrived of %d", name, len(got.raw), len(raw))
		}
		if want := name == "8 bit"; (got.options.Body == smtp.Body8BitMIME) != want || got.options.UTF8 {
			t.Errorf("%s: %+v", name, got.options)
		}
	}
	if err := s.Send(t.Context(), "exports@hub.example", "ląd@łódź.example", []byte("a\r\n")); err != nil {
		t.Fatal(err)
	}
	if got := r.arrived(); got[len(got)-1].to != "ląd@łódź.example" || !got[len(got)-1].options.UTF8 {
		t.Errorf("%+v", got[len(got)-1])
	}
}

// TestSMTPNamesItself holds that without a name the hub gives its address.
func TestSMTPNamesItself(t *testing.T) {
	t.Parallel()
	r := newRelay(t, plain, nil)
	s, err := reaction.NewSMTP("smtp://"+r.address, reaction.SMTPOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Send(t.Context(), "exports@hub.example", "entry@example.com", []byte("a\r\n")); err != nil {
		t.Fatal(err)
	}
	if got := r.arrived()[0].hello; got != "[127.0.0.1]" {
		t.Errorf("EHLO %s", got)
	}
}

// TestSMTPRefusals holds what a person reads when the relay does not take a
// message.
func TestSMTPRefusals(t *testing.T) {
	t.Parallel()
	unknown := &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "no such user"}
	full := &smtp.SMTPError{Code: 452, EnhancedCode: smtp.EnhancedCode{4, 2, 2}, Message: "mailbox full\x07 " + strings.Repeat("x", 500)}
	for _, tt := range []struct {
		name                      string
		how                       relayStart
		scheme, user, host, query string
		change                    func(*relay)
		says                      string
	}{
		{"recipient", plain, "smtp", "", "127.0.0.1", "", func(r *relay) { r.refuse = unknown },
			"refused the recipient entry@example.com: 550 5.1.1 no such user"},
		{"recipient for now", plain, "smtp", "", "127.0.0.1", "", func(r *relay) { r.refuse = full },
			"refused the recipient entry@example.com: 452 4.2.2 mailbox full xxxx"},
		{"message", plain, "smtp", "", "127.0.0.1", "", func(r *relay) { r.accept = unknown }, "refused the message: 550 5.1.1 no such user"},
		{"size", plain, "smtp", "", "127.0.0.1", "", func(r *relay) { r.MaxMessageBytes = 10 }, "refused the sender exports@hub.example: 552"},
		{"login needed", plain, "smtp", "", "127.0.0.1", "", func(r *relay) { r.loginNeeded = true }, "refused the sender exports@hub.example: 502"},
		{"no STARTTLS", plain, "smtp", "", "mail.example.com", "", nil, "offers no STARTTLS"},
		{"no STARTTLS with a password", plain, "smtp", relayUser, "mail.example.com", "", nil, "offers no STARTTLS"},
		{"no STARTTLS here", plain, "smtp", "", "127.0.0.1", "tls=required", nil, "offers no STARTTLS"},
		{"no AUTH", plain, "smtp", relayUser, "127.0.0.1", "", nil, "offers no AUTH"},
		{"unknown AUTH", plain, "smtp", relayUser, "127.0.0.1", "", func(r *relay) { r.mechanisms = []string{"GSSAPI", "NTLM"} },
			"offers none of the AUTH mechanisms SCRAM-SHA-256, SCRAM-SHA-1, PLAIN, LOGIN, only GSSAPI NTLM"},
		{"wrong user, PLAIN", startTLS, "smtp", "eve", "mail.example.com", "", func(r *relay) { r.mechanisms = []string{"PLAIN"} },
			"refused user and password: 535"},
		{"wrong user, LOGIN", startTLS, "smtp", "eve", "mail.example.com", "", func(r *relay) { r.mechanisms = []string{"LOGIN"} },
			"refused user and password: 535"},
		{"wrong user, SCRAM", startTLS, "smtp", "eve", "mail.example.com", "", func(r *relay) { r.mechanisms = []string{"SCRAM-SHA-256"} },
			"refused user and password: 535 5.7.8 no such login"},
		{"TLS to a plain server", plain, "smtps", "", "mail.example.com", "", nil, "does not speak TLS"},
		{"another name", startTLS, "smtp", "", "mail.example.org", "", nil, "was not accepted: x509: certificate is valid for mail.example.com"},
		{"another authority", startTLS, "smtp", "", "mail.example.com", "", func(r *relay) { r.roots = nil }, "was not accepted: x509"},
		{"another authority here", startTLS, "smtp", "", "127.0.0.1", "", nil, "tls=off in the SMTP URL leaves TLS out on this machine"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := newRelay(t, tt.how, tt.change)
			if strings.HasPrefix(tt.name, "another authority") {
				r.roots = nil
			}
			s := r.sender(t, tt.scheme, tt.user, tt.host, tt.query)
			e := sendError(t, s.Send(t.Context(), "exports@hub.example", "entry@example.com", composed(t, someMail())))
			if !strings.Contains(e.Message, tt.says) || e.Uncertain || len([]rune(e.Message)) > 330 {
				t.Errorf("%+v", e)
			}
			if !strings.Contains(e.Message, tt.host+":") {
				t.Errorf("%q does not name the server", e.Message)
			}
			if len(r.arrived()) != 0 {
				t.Error("it arrived all the same")
			}
		})
	}
}

// TestSMTPUnreachable holds what a person reads when there is no server.
func TestSMTPUnreachable(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	listener.Close()
	s, err := reaction.NewSMTP("smtp://"+address, reaction.SMTPOptions{})
	if err != nil {
		t.Fatal(err)
	}
	e := sendError(t, s.Send(t.Context(), "a@b", "c@d", []byte("a\r\n")))
	if e.Message != address+" can't be reached: connection refused" || e.Uncertain {
		t.Errorf("%+v", e)
	}
	s, err = reaction.NewSMTP("smtp://mail.example.com", reaction.SMTPOptions{Dial: func(context.Context, string, string) (net.Conn, error) {
		return nil, &net.OpError{Op: "dial", Err: &net.DNSError{Err: "no such host", Name: "mail.example.com"}}
	}})
	if err != nil {
		t.Fatal(err)
	}
	e = sendError(t, s.Send(t.Context(), "a@b", "c@d", []byte("a\r\n")))
	if e.Message != "mail.example.com:587 can't be reached: the host name could not be resolved: no such host" {
		t.Errorf("%+v", e)
	}
}

// TestSMTPRefusesMessages holds that what the protocol would change, or another
// server could take for the end, is not sent.
func TestSMTPRefusesMessages(t *testing.T) {
	t.Parallel()
	r := newRelay(t, plain, nil)
	s := r.sender(t, "smtp", "", "127.0.0.1", "")
	for _, raw := range []string{
		"", "a", "a\n", "a\r", "a\nb\r\n", "a\rb\r\n", "a\r\r\n", "a\n.\nb\r\n", "a\r\n.\n\r\n", "\n\r\n", "a\x00\r\n", strings.Repeat("a", 999) + "\r\n",
	} {
		if e := sendError(t, s.Send(t.Context(), "a@b", "c@d", []byte(raw))); e.Uncertain {
			t.Errorf("%q: %+v", raw, e)
		}
	}
	for _, address := range []string{"", "a", "a@b>\r\nRCPT TO:<x@y", "a@b, c@d", `"a b"@c`, "a@b> SIZE=1"} {
		if e := sendError(t, s.Send(t.Context(), address, "c@d", []byte("a\r\n"))); e.Uncertain || !strings.HasPrefix(e.Message, "sender: ") {
			t.Errorf("%q: %+v", address, e)
		}
		if e := sendError(t, s.Send(t.Context(), "a@b", address, []byte("a\r\n"))); e.Uncertain || !strings.HasPrefix(e.Message, "recipient: ") {
			t.Errorf("%q: %+v", address, e)
		}
	}
	e := sendError(t, s.Send(t.Context(), "a@b", "ą@d", []byte("a\r\n")))
	if e.Uncertain || !strings.Contains(e.Message, "offers no SMTPUTF8, which this message needs") {
		t.Errorf("%+v", e)
	}
	if n := len(r.arrived()); n != 0 {
		t.Errorf("%d arrived", n)
	}
}

// TestSMTPURL holds which URLs are read, how they are shown, and that no error
// repeats one.
func TestSMTPURL(t *testing.T) {
	t.Parallel()
	for text, shown := range map[string]string{
		"smtp://mail.example.com":                             "smtp://mail.example.com:587",
		"smtps://mail.example.com/":                           "smtps://mail.example.com:465",
		"smtp://mail.example.com:2525?tls=required":           "smtp://mail.example.com:2525?tls=required",
		"smtp://hub%40example.com:s3cret%2F@mail.example.com": "smtp://hub%40example.com@mail.example.com:587",
		"smtps://hub:s3cret@[2001:db8::1]:465":                "smtps://hub@[2001:db8::1]:465",
		"smtp://127.9.9.9?tls=off":                            "smtp://127.9.9.9:587?tls=off",
		"smtp://[::1]:25?tls=off":                             "smtp://[::1]:25?tls=off",
		"smtp://[::ffff:127.0.0.1]:25?tls=off":                "smtp://[::ffff:127.0.0.1]:25?tls=off",
		"smtp://LocalHost:25?tls=off":                         "smtp://LocalHost:25?tls=off",
		"smtp://mail.example.com?tls=auto":                    "smtp://mail.example.com:587",
		"smtp://hub:s3cret@localhost.example.com:587?tls=off": "",
		"smtp://mail.example.com?tls=off":                     "",
		"smtps://localhost?tls=off":                           "",
		"smtp://mail.example.com?tls=never":                   "",
		"smtp://mail.example.com?tls=":                        "",
		"smtp://mail.example.com?tls=auto&tls=off":            "",
		"smtp://mail.example.com?TLS=off":                     "",
		"smtp://hub@mail.example.com":                         "",
		"smtp://:s3cret@mail.example.com":                     "",
		"smtp://hub:@mail.example.com":                        "",
		"smtp://hub:s3cret/more@mail.example.com":             "",
		"smtp://hub:25/s3cret@mail.example.com":               "",
		"smtp://hub:s3cret%zz@mail.example.com":               "",
		"smtp://hub:s3cret@mail.example.com:99999":            "",
		"smtp://hub:s3cret@mail.example.com:0":                "",
		"smtp://hub:s3cret@":                                  "",
		"http://hub:s3cret@mail.example.com":                  "",
		"smtp:hub:s3cret@mail.example.com":                    "",
		"hub:s3cret@mail.example.com":                         "",
		"smtp://hub:s3cret@mail.example.com/inbox":            "",
		"smtp://hub:s3cret@mail.example.com#x":                "",
		"smtp://hub:s3cret@mail.example.com\r\n:25":           "",
		"": "",
	} {
		s, err := reaction.NewSMTP(text, reaction.SMTPOptions{})
		if shown == "" {
			if err == nil || strings.Contains(err.Error(), "s3cret") {
				t.Errorf("%q: %v", text, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		for _, got := range []string{s.String(), fmt.Sprint(s), fmt.Sprintf("%+v", s), fmt.Sprintf("%#v", s)} {
			if got != shown {
				t.Errorf("%q is shown as %s, want %s", text, got, shown)
			}
		}
	}
	if _, err := reaction.NewSMTP("smtp://mail.example.com", reaction.SMTPOptions{Hello: "a\r\nMAIL"}); err == nil {
		t.Error("an EHLO name of two lines")
	}
}
