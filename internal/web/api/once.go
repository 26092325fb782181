package api

import (
	"context"
	"crypto/sha256"
	"net/http"
	"strconv"

	"github.com/go-json-experiment/json"

	"greenlane"
	"greenlane/internal/hub"
	"greenlane/internal/web"
)

// Once is the part every POST has in common with all others.
type Once struct {
	IdempotencyKey string `header:"Idempotency-Key" maxLength:"255" doc:"Makes the request happen once: a repetition with the same body is given the stored answer. Wins over idempotencyKey in the body. Kept for at least 24 hours."`
}

// Scope is the part every request body has in common with all others.
type Scope struct {
	AccountID      string `json:"accountId,omitempty" doc:"Must be the key's own account when given." example:"acc_1"`
	IdempotencyKey string `json:"idempotencyKey,omitempty" maxLength:"255" doc:"As the header Idempotency-Key, which wins."`
}

func (s *Scope) scope() *Scope { return s }

// accountID is an account's public identifier.
func accountID(number int64) string { return "acc_" + strconv.FormatInt(number, 10) }

// check refuses a body that speaks of another account.
func (s *Scope) check(ctx context.Context) error {
	if own := accountID(web.PrincipalOf(ctx).Key.Account); s.AccountID != "" && s.AccountID != own {
		return greenlane.Errorf(greenlane.Forbidden, "account_scope", "the key belongs to account %s, the body names %s", own, s.AccountID)
	}
	return nil
}

// Answer is a response that can be given again.
type Answer[T any] struct {
	Status   int
	Replayed string `header:"Idempotent-Replayed" doc:"true when this is the stored answer of an earlier request."`
	Body     T
}

// call is what a write needs of its request.
type call struct {
	ctx context.Context
	// method and path as registered with its values filled in.
	method, path string
	// key is the idempotency key, empty without one; body is what it stands for.
	key  string
	body []byte
}

// newCall takes header and body key together; the header wins.
func newCall(ctx context.Context, method, path string, header Once, scope *Scope, body []byte) (*call, error) {
	c := &call{ctx: ctx, method: method, path: path, key: header.IdempotencyKey, body: body}
	if scope != nil {
		if err := scope.check(ctx); err != nil {
			return nil, err
		}
		if c.key == "" {
			c.key = scope.IdempotencyKey
		}
	}
	return c, nil
}

// once makes the unit's idempotency record; answer is what a repetition is
// given, without secrets.
func (c *call) once(status int, answer func(*hub.Outcome) any) *hub.Once {
	if c.key == "" {
		return nil
	}
	return &hub.Once{
		Key:     sha256.Sum256([]byte(c.method + "\x00" + c.path + "\x00" + c.key)),
		Request: sha256.Sum256(c.body),
		Answer: func(o *hub.Outcome) (int, []byte) {
			b, err := json.Marshal(answer(o), json.Deterministic(true))
			if err != nil {
				panic(err) // wire types always encode
			}
			return status, b
		},
	}
}

// unit starts a unit of work for the request.
func (c *call) unit(commands ...greenlane.Command) hub.Unit {
	p := web.PrincipalOf(c.ctx)
	return hub.Unit{Account: p.Key.Account, Source: p.Source, Commands: commands}
}

// do records a unit and answers with what answer makes of its outcome, or with
// the stored answer of an equal request.
func do[T any](a *API, c *call, u hub.Unit, status int, answer func(*hub.Outcome) T) (*Answer[T], error) {
	u.Once = c.once(status, func(o *hub.Outcome) any { return answer(o) })
	o, err := a.hub.Do(c.ctx, u)
	if err != nil {
		return nil, err
	}
	return answered(o, status, answer)
}

// answered makes the response from an outcome, fresh or replayed.
func answered[T any](o *hub.Outcome, status int, answer func(*hub.Outcome) T) (*Answer[T], error) {
	if o.Replay == nil {
		return &Answer[T]{Status: status, Body: answer(o)}, nil
	}
	out := &Answer[T]{Status: o.Replay.Status, Replayed: "true"}
	return out, json.Unmarshal(o.Replay.Body, &out.Body)
}

// eventIDs returns the public ids of events.
func eventIDs(events []*greenlane.Event) []string {
	ids := make([]string, len(events))
	for i, e := range events {
		ids[i] = e.EventID()
	}
	return ids
}

// texts returns a list that is never null on the wire.
func texts(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}

const statusOK, statusCreated, statusAccepted = http.StatusOK, http.StatusCreated, http.StatusAccepted
