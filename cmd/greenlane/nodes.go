package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"

	"greenlane"
	"greenlane/internal/delivery"
	"greenlane/internal/hub"
	"greenlane/internal/node"
	"greenlane/internal/store"
	"greenlane/internal/store/sealed"
	"greenlane/internal/web"
)

// slotDuty names the duty of serving one part of the endpoints.
func slotDuty(slot int) string { return fmt.Sprintf("endpoints/%02d", slot) }

// join makes this process one of several that work with the database.
func (s *server) join(advertise string) error {
	address, err := s.advertised(advertise)
	if err != nil {
		return err
	}
	duties := s.reactions
	for slot := range delivery.Slots {
		duties = append(duties, node.Duty{Name: slotDuty(slot), Run: func(ctx context.Context, l node.Lease) error {
			return s.engine.Serve(ctx, slot, l)
		}})
	}
	s.node = node.New(s.db, duties, node.Options{Address: address, Incarnation: rand.Text()[:12], Log: s.log})
	s.forwarder = web.NewForwarder(func(ctx context.Context, endpoint int64) (string, error) {
		return s.node.Owner(ctx, slotDuty(delivery.SlotOf(endpoint)))
	}, s.hub.Authenticate, s.log)
	return nil
}

// sameKey holds that the hubs that work with the database encrypt with the same key,
// also where nothing is encrypted yet: the first one leaves something that the
// others must be able to read.
func (s *server) sameKey(ctx context.Context) error {
	first := slices.MinFunc(s.hub.Accounts(), func(a, b *greenlane.Account) int { return cmp.Compare(a.Number, b.Number) })
	const owner = "hubs"
	_, err := s.hub.Do(ctx, hub.Unit{Account: first.Number, Rows: hub.Rows{Secrets: []*store.OwnedSecrets{
		{Account: first.Number, Owner: owner, Secrets: []store.Secret{{Text: rand.Text()}}, First: true},
	}}})
	if err != nil {
		return err
	}
	_, err = s.db.Secrets(ctx, first.Number, owner)
	if missing := (*sealed.KeyError)(nil); errors.As(err, &missing) {
		return &wordedError{fmt.Sprintf("--secret-key: the other hubs on this database encrypt with the key %s, which is not at hand; give all of them the same",
			strings.Join(missing.IDs, ", ")), err}
	}
	return err
}

// advertised is where other hubs reach this one.
func (s *server) advertised(given string) (string, error) {
	if given != "" {
		u, err := url.Parse(given)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
			return "", usageError{fmt.Errorf("--advertise: must be a URL without a query, such as http://10.0.0.5:8080")}
		}
		return given, nil
	}
	address := s.listener.Addr().(*net.TCPAddr)
	if !address.IP.IsUnspecified() {
		return "http://" + address.String(), nil
	}
	name, err := os.Hostname()
	if err != nil {
		return "", &wordedError{"--advertise: must be given: this machine has no name by which other hubs could reach it", err}
	}
	return "http://" + net.JoinHostPort(name, strconv.Itoa(address.Port)), nil
}
