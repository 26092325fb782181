package doctor

import (
	"maps"
	"testing"
	"time"

	"greenlane/internal/store"
)

// quiet are settings with which nothing is wrong.
func quiet(changes map[string]string) map[string]string {
	all := map[string]string{"fsync": "on", "full_page_writes": "on", "synchronous_commit": "on", "synchronous_standby_names": "*",
		"statement_timeout": "60000", "lock_timeout": "10000", "idle_in_transaction_session_timeout": "10000", "idle_session_timeout": "0"}
	maps.Copy(all, changes)
	return all
}

func TestServer(t *testing.T) {
	t.Parallel()
	with := func(change func(*store.Server)) *store.Server {
		s := &store.Server{Version: "15.4", Number: 150004, Encoding: "UTF8", Role: "greenlane"}
		change(s)
		return s
	}
	judged(t, server, cases[*store.Server]{
		{with(func(*store.Server) {}), "ok server: PostgreSQL 15.4, UTF8, as greenlane\n"},
		{with(func(s *store.Server) { s.Number, s.Version = 140009, "14.9" }), "fail server: PostgreSQL 14.9 >\n"},
		{with(func(s *store.Server) { s.Encoding = "LATIN1" }), "fail server: the database's encoding is LATIN1 >\n"},
		{with(func(s *store.Server) { s.Standby, s.ReadOnly = true, true }), "fail server: it is a standby, which takes no writes >\n"},
		{with(func(s *store.Server) { s.ReadOnly = true }), "fail server: sessions of greenlane only read: default_transaction_read_only is on >\n"},
		{with(func(s *store.Server) { s.Pooled = true }), "warn server: a pooler stands between >\n"},
		{with(func(s *store.Server) { s.Pooled, s.Switched = true, true }), "fail server: a pooler stands between, in transaction mode >\n"},
	})
}

func TestClock(t *testing.T) {
	t.Parallel()
	type clocks struct{ skew, blur time.Duration }
	judged(t, func(c clocks) []Finding { return []Finding{clock(c.skew, c.blur)} }, cases[clocks]{
		{clocks{0, time.Millisecond}, "ok clock: as this machine's, give or take 1ms\n"},
		{clocks{900 * time.Millisecond, time.Millisecond}, "ok clock: as this machine's, give or take 1ms\n"},
		{clocks{2 * time.Second, 2 * time.Second}, "ok clock: as this machine's, give or take 2s\n"},
		{clocks{2 * time.Second, time.Millisecond}, "warn clock: the server's is 2s ahead of this machine's, give or take 1ms >\n"},
		{clocks{-6 * time.Second, time.Millisecond}, "fail clock: the server's is 6s behind this machine's, give or take 1ms >\n"},
	})
}

func TestDurability(t *testing.T) {
	t.Parallel()
	judged(t, durability, cases[map[string]string]{
		{quiet(nil), "ok durability: commits wait for the disk and for standbys: *\n"},
		{quiet(map[string]string{"synchronous_standby_names": ""}), "warn durability: no standby has to have a commit: synchronous_standby_names is empty >\n"},
		{quiet(map[string]string{"synchronous_commit": "local"}),
			"warn durability: commits do not wait until a standby has them on its disk: synchronous_commit is local >\n"},
		{quiet(map[string]string{"fsync": "off", "full_page_writes": "off"}),
			"fail durability: fsync is off >\nfail durability: full_page_writes is off >\nok durability: commits wait for the disk and for standbys: *\n"},
	})
}

func TestStandbys(t *testing.T) {
	t.Parallel()
	near := store.Follower{Name: "b", State: "streaming", Sync: "sync"}
	far := store.Follower{Name: "c", State: "streaming", Sync: "async", Behind: 3 << 30, Lag: 2 * time.Minute}
	judged(t, standbys, cases[*store.Server]{
		{&store.Server{Settings: quiet(map[string]string{"synchronous_standby_names": ""})}, "ok standbys: none is connected\n"},
		{&store.Server{Settings: quiet(nil)}, "fail standbys: none of synchronous_standby_names is connected >\n"},
		{&store.Server{Settings: quiet(nil), Followers: []store.Follower{near, far}},
			"ok standbys: b, streaming, sync, 0 bytes behind\nwarn standbys: c, streaming, async, 3.0 GB behind for 2m0s >\n"},
		{&store.Server{Settings: quiet(nil), Followers: []store.Follower{far}},
			"warn standbys: c, streaming, async, 3.0 GB behind for 2m0s >\nfail standbys: none of synchronous_standby_names is connected >\n"},
		{&store.Server{Settings: quiet(nil), FollowersHidden: 1, Role: `odd"one`},
			"warn standbys: 1 is connected, and this role may not see how far >\n  GRANT pg_read_all_stats TO \"odd\"\"one\";\n"},
	})
}

func TestConnections(t *testing.T) {
	t.Parallel()
	judged(t, func(c store.Connections) []Finding { return []Finding{connections(c)} }, cases[store.Connections]{
		{store.Connections{Most: 97, Used: 20, OfDatabase: -1, OfRole: -1}, "ok connections: 20 in use of 97 that the server allows\n"},
		{store.Connections{Most: 97, Used: 85, OfDatabase: -1, OfRole: -1}, "warn connections: 85 in use of 97 that the server allows >\n"},
		{store.Connections{Most: 12, Used: 1, OfDatabase: -1, OfRole: -1}, "fail connections: 1 in use of 12 that the server allows >\n"},
		{store.Connections{Most: 97, Used: 20, OfDatabase: 5, OfRole: -1}, "fail connections: 20 in use of 97 that the server allows, and 5 more for the database >\n"},
		{store.Connections{Most: 97, Used: 20, OfDatabase: 50, DatabaseUsed: 10, OfRole: 20, RoleUsed: 15},
			"warn connections: 20 in use of 97 that the server allows, and 5 more for the role >\n"},
	})
}

func TestTimeouts(t *testing.T) {
	t.Parallel()
	judged(t, func(s map[string]string) []Finding { return []Finding{timeouts(s)} }, cases[map[string]string]{
		{quiet(nil), "ok timeouts: none that cuts a hub off\n"},
		{quiet(map[string]string{"statement_timeout": "0", "lock_timeout": "0"}), "ok timeouts: none that cuts a hub off\n"},
		{quiet(map[string]string{"statement_timeout": "2000", "idle_session_timeout": "3600000"}),
			"warn timeouts: statement_timeout is 2s: statements of a hub that is behind are cut off; " +
				"idle_session_timeout is 1h0m: connections of a calm hub are cut, and what other nodes record is noticed late >\n"},
	})
}

func TestFile(t *testing.T) {
	t.Parallel()
	judged(t, file, cases[*store.File]{
		{&store.File{Path: "/d/g.db", Mode: 0o600, Journal: "wal"}, "ok file: /d/g.db, journal mode wal\n"},
		{&store.File{Path: "/it's/g.db", Mode: 0o640, Journal: "delete"}, "warn file: others than its owner may use /it's/g.db: its mode is 0640 >\n" +
			"  chmod 600 '/it'\\''s/g.db'\nwarn file: its journal mode is delete instead of wal >\n"},
	})
}

func TestSpace(t *testing.T) {
	t.Parallel()
	const giga = 1 << 30
	judged(t, newExamination().space, cases[store.Space]{
		{store.Space{Size: 3 * giga, Log: -1, Reusable: -1, Free: -1, Disk: -1, Largest: []store.TableSize{{Name: "events", Size: 2 * giga}, {Name: "subjects", Size: 1 << 20}}},
			"ok disk: the database has 3.0 GB: events 2.0 GB, subjects 1.0 MB; how full the server's disk is can't be seen from here\n"},
		{store.Space{Size: 1000, Log: 5000, Reusable: 500, Free: 50 * giga, Disk: 100 * giga},
			"ok disk: the database has 1000 bytes, 500 bytes of it free inside, its write-ahead log 4.9 KB; 50.0 GB of the disk's 100 GB free (50 %)\n"},
		{store.Space{Size: 1, Free: 9 * giga, Disk: 100 * giga}, "warn disk: the database has 1 bytes; 9.0 GB of the disk's 100 GB free (9 %) >\n"},
		{store.Space{Size: 1, Free: 4 * giga, Disk: 8 * giga}, "warn disk: the database has 1 bytes; 4.0 GB of the disk's 8.0 GB free (50 %) >\n"},
		{store.Space{Size: 1, Free: 400 << 20, Disk: 8 * giga}, "fail disk: the database has 1 bytes; 400 MB of the disk's 8.0 GB free (5 %) >\n"},
		{store.Space{Size: 1, Free: 9 * giga, Disk: 1000 * giga, Log: 2 * giga},
			"warn disk: the database has 1 bytes, its write-ahead log 2.0 GB; 9.0 GB of the disk's 1000 GB free (1 %) >\nwarn disk: the write-ahead log has 2.0 GB >\n"},
	})
}

func TestAges(t *testing.T) {
	t.Parallel()
	judged(t, newExamination().ages, cases[store.Ages]{
		{store.Ages{}, "ok retention: no attempts are kept\n"},
		{store.Ages{Attempt: ago(30 * day), Answer: ago(7 * day)}, "ok retention: attempts are kept since 2026-05-24, 30 days ago\n"},
		{store.Ages{Answer: ago(9 * day)}, "warn retention: no attempts are kept; answers to idempotency keys since 2026-06-14, longer than a week >\n"},
	})
}

func TestPages(t *testing.T) {
	t.Parallel()
	judged(t, newExamination().pages, cases[pages]{
		{pages{checked: true}, "ok pages: the whole file was read\n"},
		{pages{checked: true, wrong: []string{"a", "b", "c", "d", "e", "f", "g"}}, "fail pages: damaged: a, b, c, d, e and 2 more >\n"},
		{pages{}, "skip pages: a server reads all of itself only when told by its own tools >\n"},
	})
}
