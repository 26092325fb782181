package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"greenlane/internal/store"
	"greenlane/internal/store/sealed"
)

// secretFile has the keys that secrets in the database are encrypted with,
// where none are given otherwise.
const secretFile = "secret.key"

// keySource is where keys come from, and how another one is added there.
type keySource struct{ name, add string }

// seal opens what is confidential in a backend with the keys that are given, or
// with those of the data folder, which the first start makes.
func (c *serveCmd) seal(ctx context.Context, s *server, inner store.Store) (store.Store, error) {
	keys, source, err := c.secretKeys(ctx, s.folder, inner)
	if err != nil {
		return nil, err
	}
	out, report, err := sealed.Open(ctx, inner, sealed.NewKeyring(rand.Reader, keys[0], keys[1:]...))
	if missing := (*sealed.KeyError)(nil); errors.As(err, &missing) {
		ids := make([]string, len(keys))
		for i, k := range keys {
			ids[i] = k.ID()
		}
		return nil, &wordedError{fmt.Sprintf("%s: secrets in the database are encrypted with the key %s, and there is only %s. %s",
			source.name, strings.Join(missing.IDs, ", "), strings.Join(ids, ", "), source.add), err}
	}
	if err != nil {
		return nil, err
	}
	if report.Plain > 0 {
		s.log.Info("secrets that were in the clear are encrypted now", "values", report.Plain, "key", keys[0].ID())
	}
	if report.Former > 0 {
		s.log.Info("secrets are encrypted with the new key now; the former keys are no longer needed here, only for older backups",
			"values", report.Former, "key", keys[0].ID())
	}
	return out, nil
}

// secretKeys returns the keys, the one that encrypts first.
func (c *serveCmd) secretKeys(ctx context.Context, f *folder, inner store.Store) ([]*sealed.Key, keySource, error) {
	keys, source, err := keysAtHand(c.SecretKey, c.SecretKeyFile, f.file(secretFile))
	if err != nil || keys != nil {
		return keys, source, err
	}
	made, err := makeKey(ctx, source.name, inner)
	if err != nil {
		return nil, source, err
	}
	keys, err = parseKeys(source, []string{made})
	return keys, source, err
}

// keysAtHand returns the keys that are given, by themselves or in a file, or those
// of the data folder's file; nil when there is no such file.
func keysAtHand(given []string, file, folders string) ([]*sealed.Key, keySource, error) {
	source := keySource{"--secret-key", "Give that one, too, after the new one and a comma."}
	switch {
	case len(given) > 0 && file != "":
		return nil, source, usageError{errors.New("--secret-key and --secret-key-file exclude each other; give one of them")}
	case len(given) > 0:
		keys, err := parseKeys(source, given)
		return keys, source, err
	}
	path := file
	if path == "" {
		path = folders
	}
	source = keySource{path, "Put back the file that belongs to this database, or write that key into it, too, in a line after the new one."}
	text, err := os.ReadFile(path)
	switch {
	case file == "" && errors.Is(err, fs.ErrNotExist):
		return nil, source, nil
	case err != nil:
		return nil, source, fmt.Errorf("the keys that secrets are encrypted with can't be read: %w", err)
	}
	keys, err := parseKeys(source, strings.Fields(string(text)))
	return keys, source, err
}

// makeKey makes the key file of a new data folder. It is on disk before anything
// is encrypted with it. Where there are encrypted secrets already, their key was
// lost: another one would not bring them back.
func makeKey(ctx context.Context, path string, inner store.Store) (string, error) {
	ids, err := sealed.KeysInUse(ctx, inner)
	if err != nil {
		return "", err
	}
	if len(ids) > 0 {
		return "", fmt.Errorf("there is no %s, and secrets in the database are encrypted with the key %s. "+
			"Put the file back from where it is kept, or give the key by GREENLANE_SECRET_KEY", path, strings.Join(ids, ", "))
	}
	key, err := sealed.NewKey(rand.Reader)
	if err != nil {
		return "", err
	}
	return key, writeSecret(path, key)
}

// parseKeys reads keys. A wrong one is named by its place, never by its text.
func parseKeys(source keySource, texts []string) ([]*sealed.Key, error) {
	if len(texts) == 0 {
		return nil, usageError{fmt.Errorf("%s has no key in it", source.name)}
	}
	keys := make([]*sealed.Key, len(texts))
	for i, text := range texts {
		var err error
		if keys[i], err = sealed.ParseKey(text); err != nil {
			return nil, usageError{fmt.Errorf("%s: key %d of %d %w", source.name, i+1, len(texts), err)}
		}
	}
	return keys, nil
}
