package hub

import (
	"context"
	"slices"
	"strings"
	"sync"

	"greenlane"
	"greenlane/internal/store"
)

// directory holds the accounts and keys. They are few and asked for at every
// request.
type directory struct {
	mu       sync.RWMutex
	accounts map[int64]*greenlane.Account
	keys     map[[32]byte]*greenlane.Key
}

func (d *directory) load(ctx context.Context, s store.Store) error {
	accounts, err := s.AllAccounts(ctx)
	if err != nil {
		return err
	}
	keys, err := s.AllKeys(ctx)
	if err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.accounts, d.keys = map[int64]*greenlane.Account{}, map[[32]byte]*greenlane.Key{}
	for _, a := range accounts {
		d.accounts[a.Number] = a
	}
	for _, k := range keys {
		d.keys[k.Digest] = k
	}
	return nil
}

// apply takes in what a write changed.
func (d *directory) apply(w *store.Write) {
	if len(w.Accounts)+len(w.Keys) == 0 {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, a := range w.Accounts {
		d.accounts[a.Number] = a
	}
	for _, k := range w.Keys {
		d.keys[k.Digest] = k
	}
}

func (d *directory) key(digest [32]byte) *greenlane.Key {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return d.keys[digest]
}

// Account returns an account, nil when there is none of that number. The value
// is shared; nobody may change it.
func (h *Hub) Account(number int64) *greenlane.Account {
	h.directory.mu.RLock()
	defer h.directory.mu.RUnlock()
	return h.directory.accounts[number]
}

// Accounts returns all accounts by number.
func (h *Hub) Accounts() []*greenlane.Account {
	h.directory.mu.RLock()
	defer h.directory.mu.RUnlock()
	out := make([]*greenlane.Account, 0, len(h.directory.accounts))
	for _, a := range h.directory.accounts {
		out = append(out, a)
	}
	slices.SortFunc(out, func(a, b *greenlane.Account) int { return int(a.Number - b.Number) })
	return out
}

// Keys returns an account's keys that were not revoked, by name.
func (h *Hub) Keys(account int64) []*greenlane.Key {
	h.directory.mu.RLock()
	defer h.directory.mu.RUnlock()
	var out []*greenlane.Key
	for _, k := range h.directory.keys {
		if k.Account == account && k.RevokedAt.IsZero() {
			out = append(out, k)
		}
	}
	slices.SortFunc(out, func(a, b *greenlane.Key) int {
		return strings.Compare(a.Name+a.ID.Text(""), b.Name+b.ID.Text(""))
	})
	return out
}

// Authenticate returns the living key a token belongs to.
func (h *Hub) Authenticate(token string) (*greenlane.Key, error) {
	denied := greenlane.Errorf(greenlane.Unauthenticated, "invalid_api_key", "the API key is missing, unknown or expired")
	if !greenlane.LooksLikeToken(token) {
		return nil, denied
	}
	digest := greenlane.TokenDigest(token)
	k := h.directory.key(digest)
	if k == nil && h.store.Moved() != nil {
		// Another node may have made it a moment ago.
		ctx, cancel := context.WithTimeout(context.Background(), syncPatience)
		defer cancel()
		if err := h.Sync(ctx); err == nil {
			k = h.directory.key(digest)
		}
	}
	// The map finds by digest of the secret, so its timing tells nothing about
	// a secret; the comparison is constant all the same.
	if k == nil || !k.Matches(digest) || !k.Usable(h.clock()) {
		return nil, denied
	}
	return k, nil
}
