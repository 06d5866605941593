package gateway

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/gorilla/mux"
)

// handler puts the routes together. It is the one place that knows the router.
// Each route names its path first: the router forgets that a path was found
// with another method as soon as a later route has the right one.
func (g *Gateway) handler() http.Handler {
	// Of a path as it was sent, an encoded slash belongs to the name of a thing: an
	// outlet's code may have one.
	m := mux.NewRouter().SkipClean(true).UseEncodedPath()
	for _, rt := range g.routes() {
		m.Path(apiPrefix + rt.path).Methods(rt.method).Handler(g.through(rt))
	}
	read := func(path string, h func(*response, *http.Request)) {
		m.Path(path).Methods(http.MethodGet, http.MethodHead).Handler(forResponse(h))
	}
	read("/livez", g.livez)
	read("/readyz", g.readyz)
	if g.cfg.Metrics != nil {
		m.Path("/metrics").Methods(http.MethodGet, http.MethodHead).Handler(g.cfg.Metrics)
	}
	read("/", func(w *response, r *http.Request) { http.Redirect(w, r, appPath, http.StatusFound) })
	read(strings.TrimSuffix(appPath, "/"), func(w *response, r *http.Request) { http.Redirect(w, r, appPath, http.StatusFound) })
	m.PathPrefix(appPath).Methods(http.MethodGet, http.MethodHead).Handler(forResponse(g.serveApp))

	missing := forResponse(func(w *response, r *http.Request) {
		g.fail(w, r, notFound("There is nothing at %s.", shortened(r.URL.Path)))
	})
	wrongMethod := forResponse(func(w *response, r *http.Request) {
		allowed := allowedMethods(m, r)
		w.Header().Set("Allow", allowed)
		g.fail(w, r, &problem{status: http.StatusMethodNotAllowed, message: r.Method + " is not possible at " + shortened(r.URL.Path) + ": use " + allowed + "."})
	})
	m.NotFoundHandler, m.MethodNotAllowedHandler = missing, wrongMethod
	return g.outermost(func(w *response, r *http.Request) { m.ServeHTTP(w, r) })
}

// through has a route answer.
func (g *Gateway) through(rt route) http.Handler {
	return forResponse(func(w *response, r *http.Request) {
		vars := map[string]string{}
		for name, v := range mux.Vars(r) {
			plain, err := url.PathUnescape(v)
			if err != nil { // the server reads no such request
				g.fail(w, r, badRequest("The address cannot be read: check its percent signs."))
				return
			}
			vars[name] = plain
		}
		g.serve(r.Context(), w, &request{Request: r, vars: vars}, rt)
	})
}

// forResponse adapts a handler; outermost has made the response.
func forResponse(h func(*response, *http.Request)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { h(w.(*response), r) })
}

func allowedMethods(m *mux.Router, r *http.Request) string {
	var allowed []string
	for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodDelete} {
		try := r.Clone(r.Context())
		try.Method = method
		var match mux.RouteMatch
		if m.Match(try, &match) && match.MatchErr == nil {
			allowed = append(allowed, method)
		}
	}
	return strings.Join(allowed, ", ")
}
