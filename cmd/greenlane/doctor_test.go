package main

import (
	"encoding/json"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"greenlane/internal/doctor"
	"greenlane/internal/store/pgtest"
)

// diagnose runs the program on a database and returns what it found.
func diagnose(t *testing.T, database string, flags ...string) (report doctor.Report, code int) {
	t.Helper()
	out, errs, code := command(t, append([]string{"doctor", "--json", "--database", database}, flags...)...)
	if err := json.Unmarshal([]byte(out), &report); err != nil {
		t.Fatalf("%v: %s%s", err, out, errs)
	}
	u, err := url.Parse(database)
	if err != nil {
		t.Fatal(err)
	}
	if password, ok := u.User.Password(); ok && strings.Contains(out+errs, password) {
		t.Errorf("the password is shown:\n%s%s", out, errs)
	}
	return report, code
}

// finds holds that a report has a finding of a check, a verdict and words.
func finds(t *testing.T, r doctor.Report, check string, verdict doctor.Verdict, words string) doctor.Finding {
	t.Helper()
	pattern := regexp.MustCompile(words)
	i := slices.IndexFunc(r.Findings, func(f doctor.Finding) bool {
		return f.Check == check && f.Verdict == verdict && pattern.MatchString(f.Found)
	})
	if i < 0 {
		t.Fatalf("no %s %s %q in %+v", verdict, check, words, r.Findings)
	}
	return r.Findings[i]
}

// TestDoctorOnServer examines a database beside the hub that works with it, after
// the hub was killed, and damaged in ways that happen.
func TestDoctorOnServer(t *testing.T) {
	t.Parallel()
	server := pgtest.StartOwn(t, pgtest.Options{TCP: true})
	database := server.Database(t)
	dir := t.TempDir()
	p := startHub(t, dir, "--database", database)
	p.must("POST", "/v1/webhooks", map[string]any{"url": "http://127.0.0.1:1/refuses", "retrySchedule": []string{"1h"}}, nil)
	r, code := diagnose(t, database, "--data", dir)
	if code != exitOK || r.Failures != 0 {
		t.Errorf("exits %d: %+v", code, r)
	}
	finds(t, r, "database", doctor.OK, `^postgres://greenlane:xxxxx@127\.0\.0\.1:\d+/`)
	finds(t, r, "schema", doctor.OK, `^version \d+, all \d+ definitions`)
	finds(t, r, "log", doctor.OK, `^\d+ events, the last`)
	finds(t, r, "parts", doctor.OK, "the next are ready$")
	finds(t, r, "server", doctor.OK, `^PostgreSQL 1\d`)
	finds(t, r, "clock", doctor.OK, "as this machine's")
	finds(t, r, "durability", doctor.Warn, "synchronous_standby_names is empty")
	finds(t, r, "connections", doctor.OK, `in use of 297`)
	finds(t, r, "leases", doctor.OK, `^http://127\.0\.0\.1:\d+#\w+ has \d+ leases: endpoints/00, `)
	finds(t, r, "secrets", doctor.OK, "which opens all")
	finds(t, r, "disk", doctor.OK, "can't be seen from here")
	finds(t, r, "pages", doctor.Skip, "")

	p.kill()
	limit := time.Now().Add(time.Minute)
	for ended := false; !ended; {
		r, _ = diagnose(t, database, "--data", dir)
		ended = slices.ContainsFunc(r.Findings, func(f doctor.Finding) bool {
			return f.Check == "leases" && f.Verdict == doctor.Warn && strings.Contains(f.Found, "did not let go of ")
		})
		if !ended && time.Now().After(limit) {
			t.Fatalf("the lease does not end: %+v", r)
		}
	}
	damageServer(t, server, database, dir)
}

// damageServer makes what goes wrong on a database whose hub is gone.
func damageServer(t *testing.T, server *pgtest.Server, database, dir string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), database)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	do := func(statement string) {
		t.Helper()
		if _, err := conn.Exec(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	do("DROP INDEX events_by_account")
	do("UPDATE cursors SET position = 1000 WHERE owner LIKE 'endpoint/%'")
	r, code := diagnose(t, database, "--data", dir)
	if code != exitFail || r.Failures != 2 {
		t.Errorf("exits %d: %+v", code, r)
	}
	missing := finds(t, r, "schema", doctor.Fail, "^missing: index events_by_account$")
	beyond := finds(t, r, "readers", doctor.Fail, `^beyond the last event, \d+: endpoint wh_\w+ is at 1000$`)
	for _, statement := range slices.Concat(missing.Commands, beyond.Commands) {
		do(statement)
	}
	if r, code = diagnose(t, database, "--data", dir); code != exitOK || r.Failures != 0 {
		t.Errorf("repaired, exits %d: %+v", code, r)
	}
	do("REVOKE SELECT ON answers FROM greenlane")
	if r, _ = diagnose(t, database); len(r.Findings) == 0 {
		t.Fatal("nothing found")
	}
	finds(t, r, "retention", doctor.Warn, "^can't be looked at: .*permission denied for table answers")
	finds(t, r, "secrets", doctor.Skip, "not at hand here")
	do("GRANT SELECT ON answers TO greenlane")
	server.Execute(t, "ALTER SYSTEM SET synchronous_standby_names = '*'")
	server.Execute(t, "ALTER SYSTEM SET full_page_writes = off")
	server.Execute(t, "ALTER ROLE greenlane SET idle_session_timeout = '1min'")
	server.Execute(t, "ALTER ROLE greenlane CONNECTION LIMIT 8")
	server.Execute(t, "SELECT pg_reload_conf()")
	limit := time.Now().Add(time.Minute)
	for r, code = diagnose(t, database, "--data", dir); r.Failures < 3; r, code = diagnose(t, database, "--data", dir) {
		if time.Now().After(limit) {
			t.Fatalf("the settings do not take effect: %+v", r)
		}
	}
	finds(t, r, "durability", doctor.Fail, "^full_page_writes is off$")
	finds(t, r, "standbys", doctor.Fail, "^none of synchronous_standby_names is connected$")
	finds(t, r, "connections", doctor.Fail, `and \d more for the role$`)
	finds(t, r, "timeouts", doctor.Warn, "^idle_session_timeout is 1m0s: ")
	if code != exitFail {
		t.Errorf("exits %d", code)
	}
}

// TestDoctorStrangers: a database of something else, and none.
func TestDoctorStrangers(t *testing.T) {
	t.Parallel()
	server := pgtest.Start(t)
	r, code := diagnose(t, server.Database(t))
	finds(t, r, "schema", doctor.Fail, "^there are no tables of a hub$")
	finds(t, r, "log", doctor.Skip, "another version$")
	if code != exitFail {
		t.Errorf("exits %d", code)
	}
	r, code = diagnose(t, "postgres://hub:geheim@127.0.0.1:1/hub?password=geheim")
	finds(t, r, "database", doctor.Fail, `^open database hub at 127\.0\.0\.1: `)
	if code != exitFail || len(r.Findings) != 1 {
		t.Errorf("exits %d: %+v", code, r)
	}
}

// TestDoctorChangesNothing compares the files of a data folder before and after.
func TestDoctorChangesNothing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	startHub(t, dir).stop()
	content := func() map[string]string {
		files := map[string]string{}
		for _, name := range []string{databaseFile, secretFile, keyFile, lockFile} {
			b, err := os.ReadFile(filepath.Join(dir, name))
			if err != nil {
				t.Fatal(err)
			}
			files[name] = string(b)
		}
		return files
	}
	before := content()
	if out, errs, code := command(t, "doctor", "--data", dir, "--deep"); code != exitOK {
		t.Errorf("exits %d:\n%s%s", code, out, errs)
	}
	for name, b := range content() {
		if b != before[name] {
			t.Errorf("%s has changed", name)
		}
	}
}
