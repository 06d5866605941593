package gateway_test

import (
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
	"testing/fstest"

	"backupmonitor/ui"
)

func TestApp(t *testing.T) {
	t.Parallel()
	e := start(t)
	html := http.Header{"Accept": {"text/html,*/*"}}
	for _, c := range []struct {
		path   string
		header http.Header
		status int
		cache  string
		has    string
	}{
		{"/", nil, http.StatusFound, "", ""},
		{"/backup-monitor", nil, http.StatusFound, "", ""},
		{"/backup-monitor/", html, http.StatusOK, "no-cache", "<title>app"},
		{"/backup-monitor/", nil, http.StatusOK, "no-cache", "<title>app"},
		{"/backup-monitor/", http.Header{"Accept": {"*/*"}}, http.StatusOK, "no-cache", "<title>app"},
		{"/backup-monitor/", http.Header{"Accept": {"application/json"}}, http.StatusOK, "no-cache", "<title>app"},
		{"/backup-monitor/reports/2026", http.Header{"Accept": {"*/*"}}, http.StatusNotFound, "no-store", `"Error"`},
		{"/backup-monitor/reports/2026", html, http.StatusOK, "no-cache", "<title>app"},
		{"/backup-monitor/assets/a-1.js", nil, http.StatusOK, "public, max-age=31536000, immutable", "1"},
		{"/backup-monitor/assets/missing.js", http.Header{"Accept": {"*/*"}}, http.StatusNotFound, "no-store", `"Error"`},
		{"/backup-monitor/../../etc/passwd", http.Header{"Accept": {"*/*"}}, http.StatusNotFound, "no-store", `"Error"`},
	} {
		res := e.plain(t, http.MethodGet, c.path, c.header)
		if res.status != c.status || res.header.Get("Cache-Control") != c.cache || !strings.Contains(res.body, c.has) {
			t.Errorf("%s: %d %q %q", c.path, res.status, res.header.Get("Cache-Control"), res.body)
		}
		if c.status == http.StatusFound && res.header.Get("Location") != "/backup-monitor/" {
			t.Errorf("%s leads to %s", c.path, res.header.Get("Location"))
		}
	}
	head := e.plain(t, http.MethodHead, "/backup-monitor/", nil)
	if head.status != http.StatusOK || !strings.HasPrefix(head.header.Get("Content-Type"), "text/html") || head.header.Get("Vary") != "" {
		t.Errorf("HEAD: %d %v", head.status, head.header)
	}
	res := e.plain(t, http.MethodGet, "/backup-monitor/", html)
	html.Set("If-None-Match", res.header.Get("ETag"))
	if res := e.plain(t, http.MethodGet, "/backup-monitor/", html); res.status != http.StatusNotModified {
		t.Errorf("the same page again: %d", res.status)
	}
	bare := start(t, func(s *setup) { s.ui = fstest.MapFS{".gitkeep": {}} })
	if res := bare.plain(t, http.MethodGet, "/backup-monitor/", html); res.status != http.StatusServiceUnavailable || !strings.Contains(res.body, "make ui") {
		t.Errorf("%d %q", res.status, res.body)
	}
}

// The built app has nothing that the policy would refuse.
func TestTheBuiltAppKeepsToThePolicy(t *testing.T) {
	t.Parallel()
	if !ui.Built() {
		if os.Getenv("REQUIRE_REAL") == "1" {
			t.Fatal("the web app is not built: make ui")
		}
		t.Skip("the web app is not built: make ui")
	}
	e := start(t, func(s *setup) { s.ui = ui.Files() })
	res := e.plain(t, http.MethodGet, "/backup-monitor/", http.Header{"Accept": {"text/html"}})
	if res.status != http.StatusOK || strings.Contains(res.body, "<style") || strings.Contains(res.body, "style=") || strings.Contains(res.body, "onload=") || strings.Contains(res.body, "<script>") {
		t.Errorf("%d %s", res.status, res.body)
	}
	for _, part := range strings.Split(res.body, `src="`)[1:] {
		src, _, _ := strings.Cut(part, `"`)
		u, err := url.Parse(src)
		if err != nil || u.Host != "" {
			t.Errorf("the page loads %s", src)
			continue
		}
		if res := e.plain(t, http.MethodGet, src, nil); res.status != http.StatusOK || !strings.Contains(res.header.Get("Content-Type"), "javascript") {
			t.Errorf("%s: %d %s", src, res.status, res.header.Get("Content-Type"))
		}
	}
}
