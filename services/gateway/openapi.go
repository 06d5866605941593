package gateway

import (
	_ "embed" // for the description
	"fmt"
	"net/http"
	"strconv"
)

// description is the API in OpenAPI 3.0.3.
//
//go:embed openapi.yaml
var description string

func (g *Gateway) openAPI(w *response, _ *request) error {
	h := w.Header()
	h.Set("Content-Type", "application/yaml; charset=utf-8")
	h.Set("Cache-Control", "no-cache")
	h.Set("Content-Length", strconv.Itoa(len(description)))
	w.WriteHeader(http.StatusOK)
	if _, err := w.Write([]byte(description)); err != nil {
		return fmt.Errorf("send the answer: %w", err)
	}
	return nil
}
