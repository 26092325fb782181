package greenlane_test

import (
	"bytes"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"pgregory.net/rapid"

	"greenlane"
)

func TestRoleAllows(t *testing.T) {
	t.Parallel()
	roles := greenlane.Roles()
	for have, role := range roles {
		for need, needed := range roles {
			if got := role.Allows(needed); got != (have >= need) {
				t.Errorf("%s allows %s: %t", role, needed, got)
			}
		}
		for _, unknown := range []greenlane.Role{"", "Admin", "root"} {
			if unknown.Allows(role) || role.Allows(unknown) {
				t.Errorf("%q and %s allow each other", unknown, role)
			}
		}
	}
}

func TestToken(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		secret := rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "secret")
		token, err := greenlane.NewToken(bytes.NewReader(secret))
		if err != nil || !greenlane.LooksLikeToken(token) || strings.ContainsAny(token[3:], "+/= ") {
			t.Fatalf("token %q, %v", token, err)
		}
		key := greenlane.Key{Digest: greenlane.TokenDigest(token)}
		if !key.Matches(greenlane.TokenDigest(token)) || key.Matches(greenlane.TokenDigest(token+"x")) {
			t.Fatal("the key does not know its token")
		}
	})
	if _, err := greenlane.NewToken(iotest.ErrReader(bytes.ErrTooLarge)); err == nil {
		t.Error("a token without chance")
	}
	for _, text := range []string{"", "gl_", "gl_short", strings.Repeat("x", 46), "GL_" + strings.Repeat("x", 43)} {
		if greenlane.LooksLikeToken(text) {
			t.Errorf("%q looks like a token", text)
		}
	}
}

func TestKeyUsable(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		key  greenlane.Key
		want bool
	}{
		{"for ever", greenlane.Key{}, true},
		{"until later", greenlane.Key{ExpiresAt: issued.Add(1)}, true},
		{"until now", greenlane.Key{ExpiresAt: issued}, false},
		{"revoked", greenlane.Key{RevokedAt: issued.Add(-time.Hour)}, false},
		{"revoked before its end", greenlane.Key{ExpiresAt: issued.Add(time.Hour), RevokedAt: issued}, false},
	}
	for _, tt := range tests {
		if got := tt.key.Usable(issued); got != tt.want {
			t.Errorf("%s: usable %t", tt.name, got)
		}
	}
}

// TestHistories: accounts and endpoints fold their own events and no others.
func TestHistories(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	body := map[greenlane.EventType]greenlane.Body{}
	for _, info := range greenlane.EventTypes() {
		body[info.Type] = info.Example
	}
	w.must(greenlane.RecordAccount{Number: 1, Type: greenlane.EventAccountCreated, Body: body[greenlane.EventAccountCreated]})
	w.must(greenlane.RecordAccount{Number: 1, Type: greenlane.EventKeyCreated, Body: body[greenlane.EventKeyCreated]})
	w.must(greenlane.RecordAccount{Number: 1, Type: greenlane.EventMessageUnmatched, Body: body[greenlane.EventMessageUnmatched]})
	w.must(greenlane.RecordEndpoint{Number: 2, Type: greenlane.EventEndpointCreated, Body: body[greenlane.EventEndpointCreated]})
	w.must(greenlane.RecordEndpoint{Number: 2, Type: greenlane.EventLaneParked, Body: body[greenlane.EventLaneParked]})
	account := w.states[greenlane.Subject{Kind: greenlane.KindAccount, Number: 1}].(*greenlane.AccountHistory)
	endpoint := w.states[greenlane.Subject{Kind: greenlane.KindEndpoint, Number: 2}].(*greenlane.EndpointHistory)
	if account.Changes != 3 || account.Last != greenlane.EventMessageUnmatched || endpoint.Changes != 2 || endpoint.Last != greenlane.EventLaneParked {
		t.Errorf("%+v, %+v", account, endpoint)
	}
	w.refold()
}
