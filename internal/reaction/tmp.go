package reaction

import (
	"context"
	"greenlane"
	"greenlane/internal/delivery"
)

type SendError struct {
	Message   string
	Uncertain bool
}

func (e *SendError) Error() string { return e.Message }

type Attachment struct {
	Filename, MediaType string
	Bytes               []byte
}
type Mail struct{ Subject, MessageID string }

func (*Mail) Bytes() ([]byte, error)                              { return []byte("mail"), nil }
func warehouseInstruction(e *greenlane.Export) ([]byte, error)    { return []byte("{}"), nil }
func warehouseMail(*greenlane.Export, []Attachment, string) *Mail { return &Mail{} }
func brokerMail(*greenlane.Export, []Attachment, string) *Mail    { return &Mail{} }


type SMTPOptions struct{}
type SMTP struct{}

func NewSMTP(rawURL string, o SMTPOptions) (*SMTP, error)                   { return &SMTP{}, nil }
func (s *SMTP) Send(ctx context.Context, from, to string, raw []byte) error { return nil }

type Outbox struct{}

func NewOutbox(dir string) *Outbox                                        { return &Outbox{} }
func (o *Outbox) Send(ctx context.Context, name string, raw []byte) error { return nil }
