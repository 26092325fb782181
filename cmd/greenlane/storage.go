package main

import (
	"context"
	"fmt"
	"net/url"

	"greenlane/internal/store"
	"greenlane/internal/store/postgres"
	"greenlane/internal/store/sqlite"
)

// databaseFlag says which database a hub's data is in.
type databaseFlag struct {
	Database string `help:"PostgreSQL database, such as postgres://greenlane@db.internal/greenlane; a file in the data folder when left out. One with a password is best given by its variable: arguments are seen by all users of the machine." placeholder:"URL"`
}

// shared reports whether other machines may open the database, too.
func (f *databaseFlag) shared() bool { return f.Database != "" }

// check says what is wrong with the flag. What is refused is not repeated: it may
// hold a password.
func (f *databaseFlag) check() error {
	if !f.shared() {
		return nil
	}
	u, err := url.Parse(f.Database)
	if err != nil || u.Scheme != "postgres" && u.Scheme != "postgresql" || len(u.Path) < 2 {
		return usageError{fmt.Errorf("--database: must be a URL of a PostgreSQL database, such as postgres://greenlane@db.internal/greenlane")}
	}
	return nil
}

// name is the database without its password, or the folder with the file.
func (f *databaseFlag) name(folder string) string {
	if u, err := url.Parse(f.Database); err == nil && f.shared() {
		u.RawQuery = "" // a password may be there as well
		return u.Redacted()
	}
	return folder
}

// open opens the database and brings its schema up to date.
func (f *databaseFlag) open(ctx context.Context, folder *folder) (store.Store, error) {
	if f.shared() {
		db, err := postgres.Open(ctx, f.Database)
		if err != nil {
			return nil, fmt.Errorf("--database: %w", err)
		}
		return db, nil
	}
	db, err := folder.database(ctx)
	if err != nil {
		return nil, err
	}
	return db, nil
}

// inspect opens the database to look at it, maybe beside a hub that works with it.
func (f *databaseFlag) inspect(ctx context.Context, folder string) (store.Store, error) {
	if err := f.check(); err != nil {
		return nil, err
	}
	if f.shared() {
		db, err := postgres.Inspect(ctx, f.Database)
		if err != nil {
			return nil, fmt.Errorf("--database: %w", err)
		}
		return db, nil
	}
	path, err := fileIn(folder)
	if err != nil {
		return nil, err
	}
	db, err := sqlite.Inspect(ctx, path)
	if err != nil {
		return nil, err
	}
	return db, nil
}
