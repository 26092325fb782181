package api

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"greenlane"
	"greenlane/internal/documents"
	"greenlane/internal/web"
)

// PackageView is the customs package of an export, in EntryGo's names.
type PackageView struct {
	ID            string                 `json:"id" example:"cp_01K7XJ0000000000000000000A"`
	ExportBatchID string                 `json:"exportBatchId"`
	PackageNumber string                 `json:"packageNumber" example:"CP-2026-000123"`
	State         greenlane.PackageState `json:"state" enum:"generated,submitted,canceled"`
	CreatedAt     time.Time              `json:"createdAt"`
	Artifacts     []ArtifactView         `json:"artifacts"`
}

// ArtifactView is one customs document.
type ArtifactView struct {
	ArtifactType greenlane.ArtifactType `json:"artifact_type" enum:"cci_human_readable,cci_csv,cci_json,packing_list,manifest"`
	Filename     string                 `json:"filename"`
	GeneratedAt  time.Time              `json:"generated_at"`
	Size         int64                  `json:"size" doc:"Bytes."`
	SHA256       string                 `json:"sha256"`
	URL          string                 `json:"url" doc:"Where its bytes are, below this host."`
}

func packageView(e *greenlane.Export) *PackageView {
	p := e.Package
	v := &PackageView{
		ID: p.ID, ExportBatchID: e.BatchID, PackageNumber: p.Number, State: p.State, CreatedAt: p.CreatedAt,
		Artifacts: make([]ArtifactView, len(p.Artifacts)),
	}
	for i, a := range p.Artifacts {
		v.Artifacts[i] = ArtifactView{
			ArtifactType: a.Type, Filename: a.Filename, GeneratedAt: a.GeneratedAt, Size: a.Size, SHA256: a.SHA256,
			URL: "/v1/customs-packages/" + p.ID + "/artifacts/" + a.Filename,
		}
	}
	return v
}

// packaged finds the export of a customs package, which has its number.
func (a *API) packaged(ctx context.Context, id string) (*greenlane.Export, error) {
	missing := greenlane.Errorf(greenlane.NotFound, "not_found", "there is no customs package %s in this account", id)
	_, e, err := a.exportNamed(ctx, id)
	if greenlane.KindOf(err) == greenlane.NotFound || err == nil && (e.Package == nil || e.Package.ID != id) {
		return nil, missing
	}
	return e, err
}

type packageInput struct {
	ID string `path:"id" example:"cp_01K7XJ0000000000000000000A"`
}

type packageOutput struct{ Body PackageView }

func (a *API) getPackage(ctx context.Context, in *packageInput) (*packageOutput, error) {
	e, err := a.packaged(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	return &packageOutput{*packageView(e)}, nil
}

type artifactInput struct {
	ID       string `path:"id" example:"cp_01K7XJ0000000000000000000A"`
	Filename string `path:"filename" maxLength:"100" example:"commercial_customs_invoice.pdf"`
}

// artifactBytes are a document as it was made. What merchants wrote stands in
// it: a browser may show it and run nothing.
type artifactBytes struct {
	ContentType string `header:"Content-Type"`
	Disposition string `header:"Content-Disposition"`
	Policy      string `header:"Content-Security-Policy"`
	ETag        string `header:"ETag"`
	Body        []byte
}

func (a *API) getArtifact(ctx context.Context, in *artifactInput) (*artifactBytes, error) {
	e, err := a.packaged(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(e.Package.Artifacts, func(f greenlane.Artifact) bool { return f.Filename == in.Filename })
	if i < 0 {
		return nil, greenlane.Errorf(greenlane.NotFound, "not_found", "customs package %s has no artifact of that name", in.ID)
	}
	f := e.Package.Artifacts[i]
	digest, err := greenlane.ParseDigest(f.SHA256)
	if err != nil {
		return nil, fmt.Errorf("artifact %s of %s: %w", f.Filename, in.ID, err)
	}
	raw, err := a.store.Blob(ctx, web.PrincipalOf(ctx).Key.Account, digest)
	if err != nil {
		return nil, err
	}
	if raw == nil {
		return nil, fmt.Errorf("artifact %s of %s is not kept", f.Filename, in.ID)
	}
	return &artifactBytes{
		ContentType: documents.MediaType(f.Filename), Disposition: fmt.Sprintf("inline; filename=%q", f.Filename),
		Policy: "default-src 'none'; style-src 'unsafe-inline'; sandbox", ETag: `"` + f.SHA256 + `"`, Body: raw,
	}, nil
}

func (a *API) packageRoutes(tag string) {
	const one = "/v1/customs-packages/{id}"
	register(a, operation{method: "GET", path: one, id: "get-customs-package", tag: tag, summary: "Get a customs package",
		role: greenlane.RoleRead, errors: []int{404}}, a.getPackage)
	register(a, operation{method: "GET", path: one + "/artifacts/{filename}", id: "get-artifact", tag: tag, summary: "The bytes of a customs document",
		role: greenlane.RoleRead, errors: []int{404}}, a.getArtifact)
	binary := &huma.MediaType{Schema: &huma.Schema{Type: huma.TypeString, Format: "binary"}}
	a.huma.OpenAPI().Paths[one+"/artifacts/{filename}"].Get.Responses["200"].Content = map[string]*huma.MediaType{
		"text/html": binary, "application/pdf": binary, "text/csv": binary, "application/json": {Schema: &huma.Schema{}},
	}
}
