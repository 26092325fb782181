package main

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// verifying finds the guide's code for receivers, each under a name.
var verifying = regexp.MustCompile("(?ms)^<!-- tested: verify (\\w+) -->\n```\\w+\n(.*?)^```$")

// verdict is a webhook as a receiver may get it, and whether it is to be believed.
type verdict struct {
	name    string
	Headers map[string]string `json:"headers"`
	Body    []byte            `json:"body"`
	Keys    []string          `json:"keys"`
	Now     int64             `json:"now"`
	good    bool
}

// asymmetric reports whether the verdict takes an Ed25519 implementation.
func (v *verdict) asymmetric() bool {
	return slices.ContainsFunc(v.Keys, func(k string) bool { return strings.HasPrefix(k, "whpk_") })
}

// with is the webhook with one header changed, or taken away by an empty value.
func (v verdict) with(name, header, value string) verdict {
	v.name, v.Headers, v.good = name, maps.Clone(v.Headers), false
	if v.Headers[header] = value; value == "" {
		delete(v.Headers, header)
	}
	return v
}

// signer is an endpoint of a real hub, with its receiver.
type signer struct {
	t       *testing.T
	hub     *process
	path    string
	arrived chan verdict
}

func newSigner(t *testing.T, body string) (*signer, map[string]any) {
	t.Helper()
	s := &signer{t: t, hub: startHub(t, filepath.Join(t.TempDir(), "data")), arrived: make(chan verdict, 1)}
	receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		v := verdict{Headers: map[string]string{}, good: true}
		for name := range r.Header {
			v.Headers[strings.ToLower(name)] = r.Header.Get(name)
		}
		var err error
		if v.Body, err = io.ReadAll(r.Body); err != nil {
			t.Error(err)
		}
		v.Now, _ = strconv.ParseInt(v.Headers["webhook-timestamp"], 10, 64)
		s.arrived <- v
	}))
	t.Cleanup(receiver.Close)
	made := s.call(http.MethodPost, "/v1/webhooks", fmt.Sprintf(body, receiver.URL))
	s.path = "/v1/webhooks/" + made["id"].(string)
	return s, made
}

func (s *signer) call(method, path, body string) map[string]any {
	s.t.Helper()
	status, answer, err := s.hub.call(method, path, body)
	if err != nil || status/100 != 2 {
		s.t.Fatalf("%s %s: %d %s, %v", method, path, status, answer, err)
	}
	var v map[string]any
	if err := json.Unmarshal(answer, &v); err != nil {
		s.t.Fatal(err)
	}
	return v
}

// sent is a webhook that the hub signed just now.
func (s *signer) sent() verdict {
	s.t.Helper()
	s.call(http.MethodPost, s.path+"/test", "{}")
	select {
	case v := <-s.arrived:
		return v
	case <-time.After(time.Minute):
		s.t.Fatal("nothing arrived")
	}
	return verdict{}
}

// publicKeys are those the hub publishes, newest first.
func (s *signer) publicKeys() (keys []string) {
	s.t.Helper()
	for _, k := range s.call(http.MethodGet, s.path+"/public-key", "")["keys"].([]any) {
		keys = append(keys, k.(map[string]any)["publicKey"].(string))
	}
	return keys
}

// verdicts are webhooks of a hub, and what forgers make of them.
func verdicts(t *testing.T) []verdict {
	t.Helper()
	s, made := newSigner(t, `{"url": "%s/one", "asymmetricKey": true, "secret": "ä secret of one's own"}`)
	secret := made["secretBase64"].(string)
	public := s.publicKeys()[0]
	plain := s.sent()
	var all []verdict
	add := func(name string, v verdict, good bool, keys ...string) {
		v.name, v.Keys, v.good = name, append([]string{}, keys...), good
		all = append(all, v)
	}
	const otherSecret, otherPublic = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whpk_11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
	for _, key := range []string{secret, public} {
		other := otherSecret
		if key == public {
			other = otherPublic
		}
		add("genuine", plain, true, key)
		add("one of several keys", plain, true, other, key)
		add("another key", plain, false, other)
		for name, v := range forgeries(t, plain) {
			add(name, v, false, key)
		}
		edge := plain
		edge.Now = plain.Now + 300
		add("just young enough", edge, true, key)
		edge.Now = plain.Now - 300
		add("just old enough", edge, true, key)
	}
	add("no keys", plain, false)
	for _, key := range []string{"", "whsec_", "whpk_", "_", "v1"} {
		add("no key "+key, signedWithNothing(plain), false, key)
	}
	signatures := strings.Fields(plain.Headers["webhook-signature"])
	add("v1 alone, for a public key", plain.with("", "webhook-signature", signatures[0]), false, public)
	add("v1a alone, for a secret", plain.with("", "webhook-signature", signatures[1]), false, secret)
	add("one good among bad ones", plain.with("", "webhook-signature", "v1,AAAA v1a,AAAA v2,AAAA v1,%%% v1 "+signatures[0]), true, secret)
	add("one good among bad ones", plain.with("", "webhook-signature", "v1,AAAA v1a,AAAA v2,AAAA v1a,%%% v1a "+signatures[1]), true, public)
	rotated := s.call(http.MethodPost, s.path+"/rotate-secret", `{"which": "both"}`)
	both := s.sent()
	for _, key := range append(s.publicKeys(), secret, rotated["secretBase64"].(string)) {
		add("while it is rotated", both, true, key)
	}
	add("the new key, before it was made", plain, false, rotated["secretBase64"].(string), s.publicKeys()[0])
	return all
}

// forgeries are what somebody without a key can make of a genuine webhook.
func forgeries(t *testing.T, v verdict) map[string]verdict {
	t.Helper()
	var parsed any
	if err := json.Unmarshal(v.Body, &parsed); err != nil {
		t.Fatal(err)
	}
	rewritten, spaced, old, early := v, v, v, v
	rewritten.Body, _ = json.MarshalIndent(parsed, "", "  ")
	spaced.Body = append(slices.Clone(v.Body), ' ')
	old.Now, early.Now = v.Now+301, v.Now-301
	signature := v.Headers["webhook-signature"]
	return map[string]verdict{
		"read and written again": rewritten, "one byte more": spaced, "old": old, "from the future": early,
		"another id":       v.with("", "webhook-id", "evt_01K7XJ0000000000000000000A"),
		"no id":            v.with("", "webhook-id", ""),
		"another time":     v.with("", "webhook-timestamp", strconv.FormatInt(v.Now+1, 10)),
		"no time":          v.with("", "webhook-timestamp", ""),
		"a time in words":  v.with("", "webhook-timestamp", "now"),
		"no signature":     v.with("", "webhook-signature", ""),
		"an empty one":     v.with("", "webhook-signature", "v1, v1a,"),
		"unknown versions": v.with("", "webhook-signature", strings.ReplaceAll(signature, "v1", "v9")),
		"versions changed": v.with("", "webhook-signature", strings.NewReplacer("v1a,", "v1,", "v1,", "v1a,").Replace(signature)),
		"cut":              v.with("", "webhook-signature", strings.ReplaceAll(signature, "=", "")[:20]),
	}
}

// signedWithNothing is signed by somebody who thinks that the receiver has an
// empty key.
func signedWithNothing(v verdict) verdict {
	content := v.Headers["webhook-id"] + "." + v.Headers["webhook-timestamp"] + "." + string(v.Body)
	mac := hmac.New(sha256.New, nil)
	mac.Write([]byte(content))
	return v.with("", "webhook-signature", "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil))+" v1a,"+strings.Repeat("A", 86)+"==")
}

// TestVerificationCode runs the guide's code for receivers as it stands, each on
// webhooks of a real hub and on forgeries.
func TestVerificationCode(t *testing.T) {
	t.Parallel()
	guide, err := os.ReadFile("../../docs/guides/webhooks.md")
	if err != nil {
		t.Fatal(err)
	}
	code := map[string]string{}
	for _, block := range verifying.FindAllStringSubmatch(string(guide), -1) {
		code[block[1]] = block[2]
	}
	if len(code) != 4 {
		t.Fatalf("the guide has code named %q", slices.Sorted(maps.Keys(code)))
	}
	all := verdicts(t)
	for name, run := range map[string]func(*testing.T, []verdict){
		"go":         func(t *testing.T, v []verdict) { judgeGo(t, code, "go", v) },
		"client":     func(t *testing.T, v []verdict) { judgeGo(t, code, "client", v) },
		"python":     func(t *testing.T, v []verdict) { judgePython(t, code["python"], v) },
		"typescript": func(t *testing.T, v []verdict) { judgeTypeScript(t, code["typescript"], v) },
	} {
		for kind, asymmetric := range map[string]bool{"v1": false, "v1a": true} {
			t.Run(name+" "+kind, func(t *testing.T) {
				t.Parallel()
				run(t, slices.DeleteFunc(slices.Clone(all), func(v verdict) bool { return v.asymmetric() != asymmetric }))
			})
		}
	}
}

// judge gives the webhooks to a program and compares what it says of each.
func judge(t *testing.T, all []verdict, cmd *exec.Cmd) {
	t.Helper()
	in, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	var problems bytes.Buffer
	cmd.Stdin, cmd.Stderr = bytes.NewReader(in), &problems
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, problems.String())
	}
	var said []*string
	if err := json.Unmarshal(out, &said); err != nil || len(said) != len(all) {
		t.Fatalf("%d verdicts on %d webhooks: %v: %s", len(said), len(all), err, out)
	}
	if len(all) < 15 {
		t.Errorf("only %d webhooks were judged", len(all))
	}
	for i, v := range all {
		if (said[i] == nil) != v.good {
			words := "accepted"
			if said[i] != nil {
				words = *said[i]
			}
			t.Errorf("%s: %s, with keys %q", v.name, words, v.Keys)
		}
	}
}

// programFolder has the files of a program.
func programFolder(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func harness(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", "verify", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func judgePython(t *testing.T, code string, all []verdict) {
	t.Helper()
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("there is no python3 here")
	}
	if all[0].asymmetric() && exec.Command(python, "-c", "import cryptography").Run() != nil {
		t.Skip("python3 has no package cryptography here")
	}
	cmd := exec.Command(python, "-B", "harness.py")
	cmd.Dir = programFolder(t, map[string]string{"receiver.py": code, "harness.py": harness(t, "harness.py")})
	judge(t, all, cmd)
}

// annotation is a type in the guide's TypeScript. They are all of these forms, so
// that leaving them out gives the JavaScript that a compiler would; what is not
// of these forms is an error of syntax to node.
var annotation = regexp.MustCompile(`: (Record<string, string \| string\[\] \| undefined>|Buffer|string\[\]|string|number|boolean|void)( =|,|\)| \{)`)

func judgeTypeScript(t *testing.T, code string, all []verdict) {
	t.Helper()
	node, err := exec.LookPath("node")
	if err != nil {
		t.Skip("there is no node here")
	}
	script := annotation.ReplaceAllString(code, "$2")
	cmd := exec.Command(node, "harness.mjs")
	cmd.Dir = programFolder(t, map[string]string{"receiver.mjs": script, "harness.mjs": harness(t, "harness.mjs")})
	judge(t, all, cmd)
}

// judgeGo lays the guide's packages over this module, without writing to it.
func judgeGo(t *testing.T, code map[string]string, name string, all []verdict) {
	t.Helper()
	goTool, err := exec.LookPath("go")
	if err != nil {
		t.Skip("there is no go here")
	}
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	dir := programFolder(t, map[string]string{"own.go": code["go"], "client.go": code["client"], "main.go": harness(t, "harness.go.txt")})
	overlay, err := json.Marshal(map[string]any{"Replace": map[string]string{
		filepath.Join(root, "guide/own/own.go"):       filepath.Join(dir, "own.go"),
		filepath.Join(root, "guide/client/client.go"): filepath.Join(dir, "client.go"),
		filepath.Join(root, "guide/main.go"):          filepath.Join(dir, "main.go"),
	}})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "overlay.json"), overlay, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(goTool, "run", "-overlay", filepath.Join(dir, "overlay.json"), "./guide", name)
	cmd.Dir = root
	judge(t, all, cmd)
}
