package gateway

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"strings"
	"time"
)

const appPath = "/backup-monitor/"

// app is the built web app in memory.
type app struct {
	files map[string]appFile
}

type appFile struct {
	data []byte
	etag string
}

const notBuilt = `<!doctype html><html lang="en"><meta charset="utf-8"><title>Outlet DB Backup Monitor</title>` +
	`<h1>UI not built</h1><p>This binary holds no web app: run <code>make ui</code> and build again. The API is at <code>/api/v1</code>.</p></html>`

func newApp(files fs.FS) (*app, error) {
	a := &app{files: map[string]appFile{}}
	err := fs.WalkDir(files, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasPrefix(d.Name(), ".") {
			return err
		}
		data, err := fs.ReadFile(files, name)
		if err != nil {
			return err
		}
		sum := sha256.Sum256(data)
		a.files[name] = appFile{data: data, etag: `"` + hex.EncodeToString(sum[:16]) + `"`}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read the web app: %w", err)
	}
	return a, nil
}

// serveApp gives a file of the app, or its page: at appPath to everybody, and
// at every other address, which the page itself understands, to a browser.
func (g *Gateway) serveApp(w *response, r *http.Request) {
	name := strings.TrimPrefix(path.Clean(r.URL.Path), strings.TrimSuffix(appPath, "/"))
	name = strings.TrimPrefix(name, "/")
	f, ok := g.app.files[name]
	root := r.URL.Path == appPath
	h := w.Header()
	switch {
	case ok && strings.HasPrefix(name, "assets/"): // named by their content
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
	case ok:
		h.Set("Cache-Control", "no-cache")
	case !root && !strings.Contains(r.Header.Get("Accept"), "text/html"):
		g.fail(w, r, notFound("There is nothing at %s.", shortened(r.URL.Path)))
		return
	default:
		name = "index.html"
		h.Set("Cache-Control", "no-cache")
		if !root {
			h.Set("Vary", "Accept")
		}
		if f, ok = g.app.files[name]; !ok {
			h.Set("Content-Type", "text/html; charset=utf-8")
			w.WriteHeader(http.StatusServiceUnavailable)
			_, _ = w.Write([]byte(notBuilt)) // nobody is left to tell where this fails
			return
		}
	}
	h.Set("ETag", f.etag)
	http.ServeContent(w, r, name, time.Time{}, bytes.NewReader(f.data))
}
