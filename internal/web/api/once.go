package api

import (
	"context"
	"crypto/sha256"
	"net/http"
	"strconv"
	"unicode/utf8"

	"github.com/go-json-experiment/json"

	"greenlane"
	"greenlane/internal/hub"
	"greenlane/internal/store"
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

// maxOnce is the longest idempotency key, in characters. Bodies that are decoded
// without their schema are held to it, too.
const maxOnce = 255

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
		var wrong checks
		wrong.when(utf8.RuneCountInString(scope.IdempotencyKey) > maxOnce, "body.idempotencyKey", nil, "must have at most %d characters", maxOnce)
		wrong.printable("body.idempotencyKey", scope.IdempotencyKey)
		if err := wrong.err(); err != nil {
			return nil, err
		}
		if c.key == "" {
			c.key = scope.IdempotencyKey
		}
	}
	return c, nil
}

// scoped is a body that embeds [Scope].
type scoped interface{ scope() *Scope }

// receive reads the body of a write, see [API.readBody], and takes down what makes
// the write happen once. Whether the body may be missing was decided where it
// was described.
func (a *API) receive(ctx context.Context, method, path string, header Once, raw []byte, body scoped) (*call, error) {
	if len(raw) > 0 {
		if err := a.readBody(raw, body); err != nil {
			return nil, err
		}
	}
	return newCall(ctx, method, path, header, body.scope(), raw)
}

// once makes the unit's idempotency record; answer is what a repetition is
// given, without secrets.
func (c *call) once(answer func(*hub.Outcome) (status int, body any)) *hub.Once {
	if c.key == "" {
		return nil
	}
	return &hub.Once{
		Account: web.PrincipalOf(c.ctx).Key.Account,
		Key:     sha256.Sum256([]byte(c.method + "\x00" + c.path + "\x00" + c.key)),
		Request: sha256.Sum256(c.body),
		Answer: func(o *hub.Outcome) (int, []byte) {
			status, body := answer(o)
			b, err := json.Marshal(body, json.Deterministic(true))
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
	return doAs(a, c, u, as(status, answer))
}

// doAs is [do] where the outcome decides the status, too.
func doAs[T any](a *API, c *call, u hub.Unit, answer func(*hub.Outcome) (int, T)) (*Answer[T], error) {
	return begin(a, c, u, answer)()
}

// pending waits for an answer that is on its way.
type pending[T any] func() (*Answer[T], error)

// refused is the answer to what never was on its way.
func refused[T any](err error) pending[T] {
	return func() (*Answer[T], error) { return nil, err }
}

// begin hands a unit to the hub. Units of one request are decided in the order
// in which they were begun.
func begin[T any](a *API, c *call, u hub.Unit, answer func(*hub.Outcome) (int, T)) pending[T] {
	u.Once = c.once(func(o *hub.Outcome) (int, any) { return answer(o) })
	wait, err := a.hub.Begin(u)
	if err != nil {
		return refused[T](err)
	}
	return func() (*Answer[T], error) {
		o, err := wait(c.ctx)
		if err != nil {
			return nil, err
		}
		return answered(c.ctx, o, answer)
	}
}

// as gives an answer the status it always has.
func as[T any](status int, answer func(*hub.Outcome) T) func(*hub.Outcome) (int, T) {
	return func(o *hub.Outcome) (int, T) { return status, answer(o) }
}

// answered makes the response from an outcome, fresh or replayed.
func answered[T any](ctx context.Context, o *hub.Outcome, answer func(*hub.Outcome) (int, T)) (*Answer[T], error) {
	leave(ctx, o)
	if o.Replay == nil {
		status, body := answer(o)
		return &Answer[T]{Status: status, Body: body}, nil
	}
	out := &Answer[T]{Status: o.Replay.Status, Replayed: "true"}
	return out, json.Unmarshal(o.Replay.Body, &out.Body)
}

// replayed returns the stored answer of an equal request, nil when there is
// none. It is for writes that look at something before they reach the hub, which
// the first request may have changed.
func replayed[T any](a *API, c *call) (*Answer[T], error) {
	once := c.once(func(*hub.Outcome) (int, any) { return 0, nil })
	if once == nil {
		return nil, nil
	}
	known, err := store.Sole(a.store.Answers(c.ctx, []store.AccountDigest{{Account: once.Account, Digest: once.Key}}))
	if err != nil || known == nil {
		return nil, err
	}
	if known.Request != once.Request {
		return nil, greenlane.Errorf(greenlane.Conflict, "idempotency_mismatch",
			"this idempotency key was used before with another request body")
	}
	return answered[T](c.ctx, &hub.Outcome{Replay: known}, nil)
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
