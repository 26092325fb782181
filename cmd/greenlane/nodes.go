package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"net"
	"net/url"
	"os"
	"strconv"

	"greenlane/internal/delivery"
	"greenlane/internal/node"
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
	}, s.log)
	return nil
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
