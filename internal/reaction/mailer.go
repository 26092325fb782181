package reaction

import (
	"context"
	"strings"

	"greenlane"
)

// Channel implements [Mailer].
func (s *SMTP) Channel() greenlane.NotificationChannel { return greenlane.ChannelEmail }

// Deliver implements [Mailer].
func (s *SMTP) Deliver(ctx context.Context, from, to, _ string, raw []byte) error {
	return s.Send(ctx, from, to, raw)
}

// Channel implements [Mailer].
func (o *Outbox) Channel() greenlane.NotificationChannel { return greenlane.ChannelOutbox }

// Deliver implements [Mailer]. The file has the name of the message, so that a
// repetition takes the place of the first.
func (o *Outbox) Deliver(ctx context.Context, _, _, messageID string, raw []byte) error {
	name, _, _ := strings.Cut(messageID, "@")
	return o.Send(ctx, name, raw)
}
