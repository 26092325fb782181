package storetest

import (
	"testing"
	"time"

	"greenlane"
	"greenlane/internal/store"
)

var accountTests = map[string]func(*testing.T, *world){
	"accounts": testAccounts,
	"keys":     testKeys,
}

func testAccounts(t *testing.T, w *world) {
	plain, bare := newAccount(1, w.now), &greenlane.Account{Number: 2, Domain: "Zürich.example", CreatedAt: w.now.Add(time.Microsecond)}
	d := w.draft()
	d.Accounts = []*greenlane.Account{bare, plain}
	w.commit(d)
	want := []*greenlane.Account{plain, bare}
	for range 2 {
		same(t, "accounts", want, takeCensus(t, w.Store).Accounts)
		w.reopen()
	}
	changed := *plain
	changed.Region, changed.Gateway, changed.CreatedAt = "", greenlane.GatewaySimulator, w.now.Add(time.Hour)
	d = w.draft()
	d.Accounts = []*greenlane.Account{&changed}
	w.commit(d)
	changed.CreatedAt = plain.CreatedAt
	same(t, "accounts after a change", []*greenlane.Account{&changed, bare}, takeCensus(t, w.Store).Accounts)

	d = w.draft()
	d.Accounts = []*greenlane.Account{newAccount(3, w.now), {Number: 4, Domain: bare.Domain, CreatedAt: w.now}}
	w.refuse(d, store.ErrDuplicate)
}

func testKeys(t *testing.T, w *world) {
	d := w.draft()
	d.Accounts = []*greenlane.Account{newAccount(1, w.now), newAccount(2, w.now)}
	forever, ending := newKey(1, 1, w.now), newKey(2, 2, w.now)
	ending.ExpiresAt, ending.Role, ending.DefaultOrigin = w.now.Add(time.Hour), greenlane.RoleHub, ""
	d.Keys = []*greenlane.Key{ending, forever}
	w.commit(d)
	for range 2 {
		same(t, "keys", []*greenlane.Key{forever, ending}, takeCensus(t, w.Store).Keys)
		w.reopen()
	}
	revoked, endless := *forever, *ending
	revoked.RevokedAt, endless.ExpiresAt = w.now.Add(time.Minute), time.Time{}
	d = w.draft()
	d.Keys = []*greenlane.Key{&revoked, &endless}
	w.commit(d)
	same(t, "keys after a change", []*greenlane.Key{&revoked, &endless}, takeCensus(t, w.Store).Keys)
}
