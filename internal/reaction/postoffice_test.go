package reaction_test

import (
	"errors"
	"io"
	"log"
	"net"
	"slices"
	"sync"
	"testing"

	"github.com/emersion/go-smtp"
)

// postOffice is an SMTP server that keeps what it takes.
type postOffice struct {
	address string
	mu      sync.Mutex
	kept    []letter
	// at is called with the name of each stage a letter passes; its error is the
	// server's answer.
	at func(stage string) error
}

type letter struct {
	from, to string
	raw      []byte
}

// openPostOffice serves on a free port of this machine until the test ends.
func openPostOffice(t testing.TB) *postOffice {
	t.Helper()
	p := &postOffice{}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p.address = l.Addr().String()
	server := smtp.NewServer(p)
	server.Domain, server.AllowInsecureAuth, server.EnableSMTPUTF8 = "mail.example.com", true, true
	server.ErrorLog = log.New(io.Discard, "", 0)
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(l) }()
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
		if err := <-ended; err != nil && !errors.Is(err, smtp.ErrServerClosed) && !errors.Is(err, net.ErrClosed) {
			t.Error(err)
		}
	})
	return p
}

// watch calls f at each stage from now on.
func (p *postOffice) watch(f func(stage string) error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.at = f
}

func (p *postOffice) passes(stage string) error {
	p.mu.Lock()
	f := p.at
	p.mu.Unlock()
	if f == nil {
		return nil
	}
	return f(stage)
}

// letters are all that were taken for an address, in order.
func (p *postOffice) letters(to string) []letter {
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []letter
	for _, l := range p.kept {
		if l.to == to {
			out = append(out, l)
		}
	}
	return slices.Clone(out)
}

// NewSession implements smtp.Backend.
func (p *postOffice) NewSession(*smtp.Conn) (smtp.Session, error) {
	return &visit{office: p}, p.passes("greeting")
}

// visit is one connection to a post office.
type visit struct {
	office *postOffice
	letter letter
}

func (v *visit) Mail(from string, _ *smtp.MailOptions) error {
	v.letter.from = from
	return v.office.passes("mail")
}

func (v *visit) Rcpt(to string, _ *smtp.RcptOptions) error {
	v.letter.to = to
	return v.office.passes("recipient")
}

func (v *visit) Data(r io.Reader) error {
	first := make([]byte, 100)
	n, err := io.ReadFull(r, first)
	if err != nil {
		return err
	}
	if err := v.office.passes("data"); err != nil {
		return err
	}
	rest, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	v.letter.raw = append(first[:n], rest...)
	if err := v.office.passes("taken"); err != nil {
		return err
	}
	v.office.mu.Lock()
	defer v.office.mu.Unlock()
	v.office.kept = append(v.office.kept, v.letter)
	return nil
}

func (v *visit) Reset()        { v.letter = letter{} }
func (v *visit) Logout() error { return nil }
