package api_test

import (
	"fmt"
	"html"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"testing"

	"greenlane"
)

// TestDocs holds that the reference page has everything, that its links lead
// somewhere, and that it loads nothing.
func TestDocs(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	page := string(r.document("/docs"))
	a := r.call("GET", "/docs", nil)
	if a.header.Get("Content-Type") != "text/html; charset=utf-8" || !strings.HasPrefix(a.header.Get("Content-Security-Policy"), "default-src 'none';") {
		t.Errorf("%v", a.header)
	}
	for _, loader := range []string{"<script", "<link", "<img", "<iframe", "@import", "url(", "src=", "http://", "onload"} {
		if strings.Contains(strings.ReplaceAll(page, "http://127.0.0.1", ""), loader) {
			t.Errorf("the page has %s", loader)
		}
	}
	ids := map[string]int{}
	for _, m := range regexp.MustCompile(` id="([^"]*)"`).FindAllStringSubmatch(page, -1) {
		ids[m[1]]++
	}
	for id, n := range ids {
		if n > 1 {
			t.Errorf("%d places have the id %s", n, id)
		}
	}
	for _, m := range regexp.MustCompile(`href="([^"]*)"`).FindAllStringSubmatch(page, -1) {
		if anchor, ok := strings.CutPrefix(m[1], "#"); ok && ids[anchor] == 0 {
			t.Errorf("the link to %s leads nowhere", m[1])
		} else if !ok && r.call("GET", m[1], nil, "Authorization", "").status != 200 {
			t.Errorf("the link to %s leads nowhere", m[1])
		}
	}
	d := r.described()
	for i := range d.operations {
		o := &d.operations[i]
		article := articleOf(page, o.ID)
		for _, want := range []string{html.EscapeString(o.Summary), ">" + o.method + "<", o.path, "Role <code>" + string(o.role()) + "</code>"} {
			if !strings.Contains(article, want) {
				t.Errorf("%s: the page does not say %s", o, want)
			}
		}
		if strings.Contains(article, "`") {
			t.Errorf("%s: the page shows Markdown", o)
		}
		checkExampleBody(t, d, o, article)
	}
	for _, info := range greenlane.EventTypes() {
		if !strings.Contains(articleOf(page, string(info.Type)), html.EscapeString(info.Summary)) {
			t.Errorf("the page does not explain %s", info.Type)
		}
	}
}

// articleOf cuts out the part of the page with an id.
func articleOf(page, id string) string {
	_, rest, _ := strings.Cut(page, `<article id="`+id+`">`)
	article, _, _ := strings.Cut(rest, "</article>")
	return article
}

// checkExampleBody holds that the example a reader would copy is one.
func checkExampleBody(t *testing.T, d *described, o *operation, article string) {
	t.Helper()
	_, rest, ok := strings.Cut(article, "Example of the body</summary><pre tabindex=\"0\">")
	if !ok {
		if o.takesJSON() && o.RequestBody.Required && o.method == "POST" {
			t.Errorf("%s has no example", o)
		}
		return
	}
	example, _, _ := strings.Cut(rest, "</pre>")
	err := d.check(pointer("paths", o.path, strings.ToLower(o.method), "requestBody", "content", "application/json", "schema"), []byte(html.UnescapeString(example)))
	if err != nil {
		t.Errorf("%s: the example is none: %v: %s", o, err, example)
	}
}

// TestDocumentsAtOnce holds, under the race detector, that the documents can be
// made while requests are held against them.
func TestDocumentsAtOnce(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	var wg sync.WaitGroup
	for _, path := range []string{"/openapi.json", "/openapi.json", "/openapi.yaml", "/asyncapi.yaml", "/docs", "/docs"} {
		wg.Go(func() {
			w := httptest.NewRecorder()
			r.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
			if w.Code != 200 || w.Body.Len() < 10_000 {
				t.Errorf("%s: %d, %d bytes", path, w.Code, w.Body.Len())
			}
		})
	}
	for i := range 5 {
		r.must(201, "POST", "/v1/shipments", map[string]any{"shipmentNo": fmt.Sprint(i), "shipmentType": "IMPORT", "totalWeight": 1.5})
	}
	wg.Wait()
}
