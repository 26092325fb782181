// Package client speaks to a Greenlane hub over its HTTP API, and verifies the
// webhooks it sends.
//
// It uses the standard library only and has no types of the hub's own: its
// structs are the wire, so a program that takes it in takes in nothing else.
//
//	c := &client.Client{URL: "http://127.0.0.1:8080", Key: os.Getenv("GREENLANE_KEY")}
//	page, err := c.Events(ctx, client.EventQuery{Types: []string{"clearance.status_changed"}})
//
// A receiver of webhooks checks each one before it believes it:
//
//	body, _ := io.ReadAll(r.Body)
//	if err := client.Verify(secret, r.Header, body, time.Now()); err != nil {
//		http.Error(w, "not from the hub", http.StatusUnauthorized)
//		return
//	}
//
// [VerifyEd25519] does so with an endpoint's public key, which can't sign.
package client
