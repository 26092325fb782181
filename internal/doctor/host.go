package doctor

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"greenlane/internal/store"
)

const (
	// Clocks that differ by less are alike.
	skewWarn, skewFail = time.Second, 5 * time.Second
	// oldest is the oldest server that this program works with, 15.
	oldestServer = 150000
	// hubConnections is how many a hub uses: 8 read, 4 write, 1 listens.
	hubConnections = 13
	// farBehind and longBehind are how far a standby may be behind.
	farBehind  = 1 << 30
	longBehind = time.Minute
	// A disk is short of space below either of these, and full in no time below the
	// last, however large it is.
	diskWarnBytes, diskWarnPercent = 5 << 30, 10
	diskFailBytes                  = 500 << 20
	// longLog is how large a write-ahead log is that is not moved into the file.
	longLog = 1 << 30
	// answersKept is how long answers to idempotency keys are kept, with an hour for
	// the hub to notice, and more for it to have been stopped.
	answersKept = 8 * day
)

// host judges the server or the file.
func (e *examination) host(h store.Host) []Finding {
	if h.File != nil {
		return file(h.File)
	}
	s := h.Server
	out := server(s)
	out = append(out, clock(s.Skew, s.Blur))
	if !s.Standby {
		out = append(out, durability(s.Settings)...)
		out = append(out, standbys(s)...)
	}
	out = append(out, connections(s.Connections))
	return append(out, timeouts(s.Settings))
}

// server judges what a server is.
func server(s *store.Server) []Finding {
	var out []Finding
	bad := func(found, advice string) { out = append(out, Finding{"server", Fail, found, advice, nil}) }
	if s.Number < oldestServer {
		bad("PostgreSQL "+s.Version, "It must be 15 or newer.")
	}
	if s.Encoding != "UTF8" {
		bad("the database's encoding is "+s.Encoding, "Move everything to one that was made with ENCODING 'UTF8'.")
	}
	switch {
	case s.Standby:
		bad("it is a standby, which takes no writes", "Examine the primary, and let the hub's URL name it: several hosts and target_session_attrs=read-write find it.")
	case s.ReadOnly:
		bad("sessions of "+s.Role+" only read: default_transaction_read_only is on", "Turn it off for the server, the database or the role, whichever has it.")
	}
	switch {
	case s.Switched:
		bad("a pooler stands between, in transaction mode", "Connect to the server, or set the pooler to session mode: statements are prepared and settings belong to the session.")
	case s.Pooled:
		out = append(out, Finding{"server", Warn, "a pooler stands between", "It must be in session mode: statements are prepared and settings belong to the session.", nil})
	}
	if out == nil {
		out = []Finding{{"server", OK, fmt.Sprintf("PostgreSQL %s, %s, as %s", s.Version, s.Encoding, s.Role), "", nil}}
	}
	return out
}

// clock judges how far the server's clock is from this machine's.
func clock(skew, blur time.Duration) Finding {
	found, off := "as this machine's, give or take "+span(blur), skew.Abs()-blur
	if off > skewWarn {
		direction := "ahead of"
		if skew < 0 {
			direction = "behind"
		}
		found = fmt.Sprintf("the server's is %s %s this machine's, give or take %s", span(skew.Abs()), direction, span(blur))
	}
	f := Finding{"clock", OK, found, "Keep both by NTP. Events are recorded and retries are due by the clock of the machine that the hub is on.", nil}
	switch {
	case off > skewFail:
		f.Verdict = Fail
	case off > skewWarn:
		f.Verdict = Warn
	default:
		f.Advice = ""
	}
	return f
}

// future judges a log whose last event was recorded later than now.
func (e *examination) future(head store.Head) []Finding {
	ahead := head.RecordedAt.Sub(e.now)
	if head.Position == 0 || ahead <= skewWarn {
		return nil
	}
	f := Finding{"clock", Warn, fmt.Sprintf("the last event was recorded %s in the future, at %s", span(ahead), head.RecordedAt.Format(time.RFC3339)),
		"The clock of this machine is wrong, or that of the hub was. Until that time comes, every event is recorded at it.", nil}
	if ahead > skewFail {
		f.Verdict = Fail
	}
	return []Finding{f}
}

// durability judges what a commit is worth.
func durability(settings map[string]string) []Finding {
	var out []Finding
	for _, name := range []string{"fsync", "full_page_writes"} {
		if settings[name] == "off" {
			out = append(out, Finding{"durability", Fail, name + " is off",
				"When the server's machine stops, the database may be damaged as a whole. Turn it on; it is never worth the speed here.", nil})
		}
	}
	if settings["synchronous_standby_names"] == "" {
		return append(out, Finding{"durability", Warn, "no standby has to have a commit: synchronous_standby_names is empty",
			"When the server's disk is lost, or a standby takes over, writes that the hub acknowledged may be gone. Name standbys that commits wait for, or accept it.", nil})
	}
	if mode := settings["synchronous_commit"]; mode != "on" && mode != "remote_apply" {
		return append(out, Finding{"durability", Warn, "commits do not wait until a standby has them on its disk: synchronous_commit is " + mode,
			"Set it to on for the role or the server, or a failover may lose writes that the hub acknowledged.", nil})
	}
	return append(out, Finding{"durability", OK, "commits wait for the disk and for standbys: " + settings["synchronous_standby_names"], "", nil})
}

// standbys judges who follows the server.
func standbys(s *store.Server) []Finding {
	named, synchronous := s.Settings["synchronous_standby_names"] != "", false
	var out []Finding
	for _, f := range s.Followers {
		synchronous = synchronous || f.Sync == "sync" || f.Sync == "quorum"
		found := fmt.Sprintf("%s, %s, %s, %s behind", f.Name, f.State, f.Sync, size(f.Behind))
		if f.Lag > 0 {
			found += " for " + span(f.Lag)
		}
		if f.State != "streaming" || f.Behind > farBehind || f.Lag > longBehind {
			out = append(out, Finding{"standbys", Warn, found, "It may not be able to take over, or make commits wait. Look at its log and its network.", nil})
		} else {
			out = append(out, Finding{"standbys", OK, found, "", nil})
		}
	}
	if s.FollowersHidden > 0 {
		out = append(out, Finding{"standbys", Warn, count(s.FollowersHidden, "is", "are") + " connected, and this role may not see how far",
			"Let it see, or examine as another role.", []string{`GRANT pg_read_all_stats TO "` + strings.ReplaceAll(s.Role, `"`, `""`) + `";`}})
	}
	switch {
	case named && !synchronous && s.FollowersHidden == 0:
		out = append(out, Finding{"standbys", Fail, "none of synchronous_standby_names is connected",
			"Every commit waits, and the hub answers 503. Start a standby, or take the names out until there is one.", nil})
	case len(s.Followers)+s.FollowersHidden == 0:
		out = append(out, Finding{"standbys", OK, "none is connected", "", nil})
	}
	return out
}

// connections judges whether another hub would find room.
func connections(c store.Connections) Finding {
	most, room := c.Most, c.Most-c.Used
	by := "the server"
	for _, bound := range []struct {
		by         string
		most, used int
	}{{"the database", c.OfDatabase, c.DatabaseUsed}, {"the role", c.OfRole, c.RoleUsed}} {
		if bound.most >= 0 {
			most = min(most, bound.most)
			if bound.most-bound.used < room {
				room, by = bound.most-bound.used, bound.by
			}
		}
	}
	found := fmt.Sprintf("%d in use of %d that the server allows", c.Used, c.Most)
	if by != "the server" {
		found += fmt.Sprintf(", and %d more for %s", max(0, room), by)
	}
	switch {
	case most < hubConnections:
		return Finding{"connections", Fail, found, fmt.Sprintf("A hub uses up to %d. Raise max_connections, or the limit of the database or the role.", hubConnections), nil}
	case room < hubConnections:
		return Finding{"connections", Warn, found, fmt.Sprintf("Another hub, which uses up to %d, would not find room, and could not take over. "+
			"Raise max_connections, or the limit of the database or the role, or find who keeps them.", hubConnections), nil}
	}
	return Finding{"connections", OK, found, "", nil}
}

// enough says how long each limit should be at least, in milliseconds, if there is
// one at all. -1: there should be none.
var enough = []struct {
	setting string
	least   int
	why     string
}{
	{"statement_timeout", 10_000, "statements of a hub that is behind are cut off"},
	{"lock_timeout", 1000, "a write gives up before the one that it waits for is done"},
	{"idle_in_transaction_session_timeout", 5000, "a hub that is slow for a moment loses its transaction"},
	{"transaction_timeout", 90_000, "large transactions are cut off"},
	{"idle_session_timeout", -1, "connections of a calm hub are cut, and what other nodes record is noticed late"},
}

// timeouts judges the server's limits of time, as they hold for a hub.
func timeouts(settings map[string]string) Finding {
	var short []string
	for _, l := range enough {
		ms, err := strconv.Atoi(settings[l.setting])
		if err == nil && ms > 0 && (ms < l.least || l.least < 0) {
			short = append(short, fmt.Sprintf("%s is %s: %s", l.setting, span(time.Duration(ms)*time.Millisecond), l.why))
		}
	}
	if short == nil {
		return Finding{"timeouts", OK, "none that cuts a hub off", "", nil}
	}
	return Finding{"timeouts", Warn, strings.Join(short, "; "),
		"Take it out of the hub's URL, or off the server, the database or the role (ALTER ROLE … SET), whichever has it.", nil}
}

// file judges a database file.
func file(f *store.File) []Finding {
	var out []Finding
	if f.Mode&0o077 != 0 {
		out = append(out, Finding{"file", Warn, fmt.Sprintf("others than its owner may use %s: its mode is %04o", f.Path, f.Mode),
			"It holds the whole log.", []string{fmt.Sprintf("chmod 600 '%s'", strings.ReplaceAll(f.Path, "'", `'\''`))}})
	}
	if f.Journal != "wal" {
		out = append(out, Finding{"file", Warn, "its journal mode is " + f.Journal + " instead of wal",
			"A hub sets it at its start. If it does not stay, the folder is on a file system that can't share memory, such as a network's: move it to a local disk.", nil})
	}
	if out == nil {
		out = []Finding{{"file", OK, fmt.Sprintf("%s, journal mode %s", f.Path, f.Journal), "", nil}}
	}
	return out
}

// space judges how large the database is and what room there is for more.
func (e *examination) space(s store.Space) []Finding {
	found := "the database has " + size(s.Size)
	if s.Reusable > 0 {
		found += ", " + size(s.Reusable) + " of it free inside"
	}
	var large []string
	for _, t := range s.Largest {
		large = append(large, t.Name+" "+size(t.Size))
	}
	if large != nil {
		found += ": " + strings.Join(large, ", ")
	}
	if s.Log > 0 {
		found += ", its write-ahead log " + size(s.Log)
	}
	if s.Disk <= 0 {
		return []Finding{{"disk", OK, found + "; how full the server's disk is can't be seen from here", "", nil}}
	}
	free := float64(s.Free) / float64(s.Disk) * 100
	found += fmt.Sprintf("; %s of the disk's %s free (%.0f %%)", size(s.Free), size(s.Disk), free)
	f := Finding{"disk", OK, found, "When the disk is full, writes answer 503 until there is room. Make room, or move the data folder of the stopped hub to a larger disk.", nil}
	switch {
	case s.Free < diskFailBytes:
		f.Verdict = Fail
	case s.Free < diskWarnBytes || free < diskWarnPercent:
		f.Verdict = Warn
	default:
		f.Advice = ""
	}
	out := []Finding{f}
	if s.Log > longLog {
		out = append(out, Finding{"disk", Warn, "the write-ahead log has " + size(s.Log),
			"A program that reads the file for a long time keeps it from being moved into the file. End it; the hub does the rest.", nil})
	}
	return out
}

// ages judges what is not kept for good.
func (e *examination) ages(a store.Ages) []Finding {
	found := "no attempts are kept"
	if !a.Attempt.IsZero() {
		found = fmt.Sprintf("attempts are kept since %s, %s", a.Attempt.Format(time.DateOnly), e.ago(a.Attempt))
	}
	if a.Answer.IsZero() || e.now.Sub(a.Answer) < answersKept {
		return []Finding{{"retention", OK, found, "", nil}}
	}
	return []Finding{{"retention", Warn, found + "; answers to idempotency keys since " + a.Answer.Format(time.DateOnly) + ", longer than a week",
		"A hub that runs forgets them. If one has been running for hours, its log says why it does not.", nil}}
}

// pages are what [store.Health.Pages] answers.
type pages struct {
	wrong   []string
	checked bool
}

// pages judges what reading the whole database found.
func (e *examination) pages(p pages) []Finding {
	switch {
	case len(p.wrong) > 0:
		return []Finding{{"pages", Fail, "damaged: " + names(p.wrong), restore + " Look after the disk and the machine's memory.", nil}}
	case p.checked:
		return []Finding{{"pages", OK, "the whole file was read", "", nil}}
	case e.options.Shared:
		return []Finding{{"pages", Skip, "a server reads all of itself only when told by its own tools", "pg_amcheck, on the server or a standby, finds damaged tables and indexes.", nil}}
	}
	return []Finding{{"pages", Skip, "not read as a whole", "--deep does so, which takes some seconds for each gigabyte.", nil}}
}
