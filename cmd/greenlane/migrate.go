package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"greenlane"
	"greenlane/internal/migration"
	"greenlane/internal/store"
	"greenlane/internal/store/postgres"
	"greenlane/internal/store/sqlite"
)

// migrateCmd moves a hub from one database to another.
type migrateCmd struct {
	From string `required:"" help:"Where the hub's data is: sqlite: and its data folder or database file, or the URL of a PostgreSQL database." placeholder:"WHERE" env:"GREENLANE_MIGRATE_FROM"`
	To   string `required:"" help:"Where it is to be, in the same words. A URL with a password is best given by its variable: arguments are seen by all users of the machine." placeholder:"WHERE" env:"GREENLANE_MIGRATE_TO"`
	JSON bool   `help:"Print JSON."`
}

// Help says what is moved, and what is not.
func (*migrateCmd) Help() string {
	return `
Copies everything a hub keeps into an empty database: the log with its hashes, states, messages, accounts and keys, endpoints with their cursors, lanes and attempts, documents. Secrets stay encrypted as they are: give the hub the same secret key afterwards. Files of the data folder beside the database stay where they are.

Stop the hub first, and let nobody else work with the new database. The old one is only read, and is a backup afterwards: don't start a hub on it again once one has worked on the new.

Whatever ends it, start it again with the same flags: it goes on where it stopped. No hub starts on a database that is half full. At the end both sides are read and compared table by table, and the new one is verified as by "greenlane verify". The exit code is 1 if anything differs.

Examples:

    greenlane migrate --from sqlite:/var/lib/greenlane --to postgres://greenlane@db.internal/greenlane
    GREENLANE_MIGRATE_TO='postgres://greenlane:PASSWORD@localhost/greenlane' greenlane migrate --from sqlite:./greenlane-data
    greenlane migrate --from postgres://greenlane@db.internal/greenlane --to sqlite:./greenlane-data`
}

// Run moves and reports; differences are a failure.
func (c *migrateCmd) Run(ctx context.Context, std *stdio) (err error) {
	source, err := parsePlace("--from", c.From)
	if err != nil {
		return err
	}
	target, err := parsePlace("--to", c.To)
	if err != nil {
		return err
	}
	if source.path == target.path && source.Database == target.Database {
		return usageError{errors.New("--to: is where --from is; say where the hub's data is to be instead")}
	}
	from, err := source.open(ctx, false)
	if err != nil {
		return err
	}
	defer from.close()
	to, err := target.open(ctx, true)
	if err != nil {
		return err
	}
	defer to.close()
	started := time.Now()
	lines := &migrationLines{w: std.err, last: started}
	report, err := migration.Move(ctx, migration.Side{Backend: from.db, Name: "--from"}, migration.Side{Backend: to.db, Name: "--to"}, lines.show)
	if err != nil {
		if ctx.Err() != nil || greenlane.KindOf(err) == greenlane.Unavailable {
			fmt.Fprintln(std.err, "What was copied is kept: start it again with the same flags to go on.")
		}
		return err
	}
	// A hub that came meanwhile is seen now at the latest.
	if err := errors.Join(source.unattended(ctx, from.db), target.unattended(ctx, to.db)); err != nil {
		return err
	}
	if c.JSON {
		err = json.NewEncoder(std.out).Encode(report)
	} else {
		err = printMigration(std.out, report, target.name(), time.Since(started))
	}
	if found := len(report.Differences); err == nil && found > 0 {
		err = fmt.Errorf("the copy in %s did not pass, and no hub will start on it; differences: %d", target.name(), found)
	}
	return err
}

func printMigration(w io.Writer, r *migration.Report, target string, took time.Duration) error {
	if r.Already {
		_, err := fmt.Fprintf(w, "It was moved to %s before; there is nothing left to do.\n", target)
		return err
	}
	for _, d := range r.Differences {
		fmt.Fprintf(w, "difference: %s\n", d)
	}
	t := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	fmt.Fprintln(t, "TABLE\tROWS\tTHERE\tSHA-256 OF ALL ROWS")
	for _, p := range r.Tables {
		fmt.Fprintf(t, "%s\t%d\t%d\t%s\n", p.Table, p.Rows, p.TargetRows, p.TargetDigest)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	err := facts(w, "head", orDash(r.Verified.Head), "took", took.Round(100*time.Millisecond).String())
	if err == nil && len(r.Differences) == 0 {
		_, err = fmt.Fprintf(w, "No differences: everything is in %s.\n", target)
	}
	return err
}

// migrationLines prints a line when a table is there, and now and then before.
type migrationLines struct {
	w io.Writer
	// what is being done, since when, and how much was done of it by then: by an
	// earlier migration, or before the first line.
	what  string
	since time.Time
	from  int64
	last  time.Time
}

// linePause is how long nothing is said of a table that is under way.
const linePause = 5 * time.Second

func (l *migrationLines) show(p migration.Progress) {
	now := time.Now()
	if what := strings.TrimSpace(p.Doing + " " + p.Table); what != l.what {
		l.what, l.since, l.from = what, now, p.Done
	}
	ended := p.Doing == "copying" && p.Done >= p.All
	if p.All <= 0 || !ended && now.Sub(l.last) < linePause {
		return
	}
	rate := ""
	if spent := now.Sub(l.since).Seconds(); spent >= 1 {
		rate = ", " + strconv.FormatInt(int64(float64(p.Done-l.from)/spent), 10) + "/s"
	}
	l.last = now
	fmt.Fprintf(l.w, "%s: %d of %d (%d %%)%s\n", l.what, p.Done, p.All, 100*p.Done/p.All, rate)
}

// place is what a flag names: a database file, or a PostgreSQL database.
type place struct {
	flag string
	path string
	databaseFlag
}

const wantPlace = `must be sqlite: and a data folder or database file, such as sqlite:/var/lib/greenlane, or the URL of a PostgreSQL database, such as postgres://greenlane@db.internal/greenlane`

// parsePlace reads a flag. What is refused is not repeated: it may hold a password.
func parsePlace(flag, text string) (place, error) {
	if path, ok := strings.CutPrefix(text, "sqlite:"); ok && path != "" {
		path, err := filepath.Abs(path)
		return place{flag: flag, path: path}, err
	}
	p := place{flag: flag, databaseFlag: databaseFlag{Database: text}}
	if !p.shared() || p.check() != nil {
		return p, usageError{fmt.Errorf("%s: %s", flag, wantPlace)}
	}
	return p, nil
}

// name is the place without its password.
func (p *place) name() string { return p.databaseFlag.name(p.path) }

// opened is a database with its folder's lock, if it has a folder.
type opened struct {
	db     migration.Backend
	folder *folder
}

// close ends the use of the database, and then of the folder.
func (o *opened) close() {
	if o.db != nil {
		o.db.Close()
	}
	if o.folder != nil {
		o.folder.close()
	}
}

// open opens the place to read it, or to fill it, and makes sure that no hub works
// with it.
func (p *place) open(ctx context.Context, fill bool) (o *opened, err error) {
	o = &opened{}
	use := p.openFile
	if p.shared() {
		use = p.openServer
	}
	if err := use(ctx, o, fill); err != nil {
		o.close()
		return nil, fmt.Errorf("%s: %w", p.flag, err)
	}
	if err := p.unattended(ctx, o.db); err != nil {
		o.close()
		return nil, err
	}
	return o, nil
}

func (p *place) openServer(ctx context.Context, o *opened, fill bool) error {
	open := postgres.Inspect
	if fill {
		open = postgres.OpenRestoring
	}
	db, err := open(ctx, p.Database)
	if err == nil {
		o.db = db
	}
	return err
}

// unattended refuses a database that a hub works with. A file has the folder's lock.
func (p *place) unattended(ctx context.Context, db store.Leases) error {
	leases, err := db.Leases(ctx)
	for _, l := range leases {
		if l.Left > 0 {
			return fmt.Errorf("%s: a hub works with it (%s): stop it, or wait %s if it died", p.flag, l.Holder, l.Left.Round(time.Second)+time.Second)
		}
	}
	return err
}

func (p *place) openFile(ctx context.Context, o *opened, fill bool) (err error) {
	dir, name := p.path, databaseFile
	switch info, err := os.Stat(p.path); {
	case err == nil && !info.IsDir(), errors.Is(err, fs.ErrNotExist) && filepath.Ext(p.path) == filepath.Ext(databaseFile):
		dir, name = filepath.Dir(p.path), filepath.Base(p.path)
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return err
	}
	if _, err := os.Stat(filepath.Join(dir, name)); err != nil && !fill {
		return fmt.Errorf("there is no %s in %s; say where the hub's data folder is", name, dir)
	}
	if o.folder, err = lockFolder(dir); errors.Is(err, errFolderTaken) {
		return fmt.Errorf("a hub runs on %s; stop it first", dir)
	} else if err != nil {
		return err
	}
	open := sqlite.Inspect
	if fill {
		open = sqlite.OpenRestoring
		if err := makeFile(filepath.Join(dir, name)); err != nil {
			return err
		}
	}
	db, err := open(ctx, filepath.Join(dir, name))
	if err == nil {
		o.db = db
	}
	return err
}
