package api

import (
	"cmp"
	"context"
	"net/http"
	"regexp"
	"strings"
	"time"
	"unicode"

	"greenlane"
	"greenlane/internal/hub"
	"greenlane/internal/reaction"
)

// ProductBody makes a product or replaces it.
type ProductBody struct {
	Scope
	ProductFields
}

// ProductFields are what customs must know of a product. What is left out, plans
// ask for.
type ProductFields struct {
	ID            string `json:"id" doc:"Your own: letters, digits and . _ : -, at most 64." example:"prod_hoodie_001"`
	Name          string `json:"name" doc:"What it is, so that customs can tell: at most 300 bytes." example:"Cotton hooded sweatshirt, knitted"`
	HSCode        string `json:"hsCode,omitempty" doc:"Tariff number of 6 to 10 digits, with or without dots." example:"6110.20.20"`
	OriginCountry string `json:"originCountry,omitempty" doc:"ISO 3166-1 alpha-2 code." example:"PT"`
	UnitValueUSD  Amount `json:"unitValueUsd,omitzero" doc:"Value of one in US dollars, for order lines that name none." example:"45"`
	NetWeightKg   Amount `json:"netWeightKg,omitzero" doc:"Net weight of one in kilograms, for the packing list." example:"0.6"`
}

// ProductView is a product as the API shows it.
type ProductView struct {
	ID            string    `json:"id"`
	Name          string    `json:"name"`
	HSCode        string    `json:"hsCode"`
	OriginCountry string    `json:"originCountry"`
	UnitValueUSD  Amount    `json:"unitValueUsd"`
	NetWeightKg   Amount    `json:"netWeightKg"`
	UpdatedAt     time.Time `json:"updatedAt"`
}

func productView(p *greenlane.Product) ProductView {
	return ProductView{
		ID: p.ID, Name: p.Name, HSCode: p.HSCode, OriginCountry: p.OriginCountry, UnitValueUSD: Amount(p.UnitValueUSD),
		NetWeightKg: Amount(p.NetWeightKg), UpdatedAt: p.UpdatedAt,
	}
}

func (b *ProductFields) product() (greenlane.Product, error) {
	var c checks
	c.ownID("body.id", b.ID)
	c.line("body.name", b.Name, 300, true)
	c.line("body.hsCode", b.HSCode, 20, false)
	c.country("body.originCountry", b.OriginCountry)
	c.decimal("body.unitValueUsd", b.UnitValueUSD, moneyDigits, 4)
	c.decimal("body.netWeightKg", b.NetWeightKg, weightDigits, 6)
	return greenlane.Product{
		ID: b.ID, Name: strings.TrimSpace(b.Name), HSCode: strings.TrimSpace(b.HSCode), OriginCountry: strings.ToUpper(b.OriginCountry),
		UnitValueUSD: greenlane.Number(b.UnitValueUSD), NetWeightKg: greenlane.Number(b.NetWeightKg),
	}, c.err()
}

// AddressBody is where somebody is.
type AddressBody struct {
	Street     string `json:"street,omitempty" example:"Piotrkowska 1"`
	City       string `json:"city,omitempty" example:"Łódź"`
	Region     string `json:"region,omitempty" doc:"State or province." example:"TX"`
	PostalCode string `json:"postalCode,omitempty" example:"90-001"`
	Country    string `json:"country,omitempty" doc:"ISO 3166-1 alpha-2 code." example:"PL"`
}

func (a *AddressBody) address(c *checks, at string) greenlane.Address {
	c.line(at+".street", a.Street, 200, false)
	c.line(at+".city", a.City, 100, false)
	c.line(at+".region", a.Region, 100, false)
	c.line(at+".postalCode", a.PostalCode, 20, false)
	c.country(at+".country", a.Country)
	return greenlane.Address{Street: a.Street, City: a.City, Region: a.Region, PostalCode: a.PostalCode, Country: strings.ToUpper(a.Country)}
}

// BrokerBody makes a broker or replaces it.
type BrokerBody struct {
	Scope
	BrokerFields
}

// BrokerFields are what is known of a customs broker.
type BrokerFields struct {
	ID        string      `json:"id" doc:"Your own: letters, digits and . _ : -, at most 64." example:"br_123"`
	Name      string      `json:"name" example:"Harbor Brokers"`
	Email     string      `json:"email" doc:"Where customs packages go." example:"entry@example.com"`
	FilerCode string      `json:"filerCode,omitempty" doc:"The three letters or digits CBP gave it." example:"ABC"`
	Address   AddressBody `json:"address"`
}

// BrokerView is a broker as the API shows it.
type BrokerView struct {
	ID        string      `json:"id"`
	Name      string      `json:"name"`
	Email     string      `json:"email"`
	FilerCode *string     `json:"filerCode"`
	Address   AddressBody `json:"address"`
	UpdatedAt time.Time   `json:"updatedAt"`
}

func brokerView(b *greenlane.Broker) BrokerView {
	return BrokerView{
		ID: b.ID, Name: b.Name, Email: b.Email, FilerCode: orNull(string(b.FilerCode)), Address: AddressBody(b.Address), UpdatedAt: b.UpdatedAt,
	}
}

var filerForm = regexp.MustCompile(`^[A-Z0-9]{3}$`)

func (b *BrokerFields) broker() (greenlane.Broker, error) {
	var c checks
	c.ownID("body.id", b.ID)
	c.line("body.name", b.Name, 140, true)
	c.mailbox("body.email", b.Email, true)
	filer := strings.ToUpper(b.FilerCode)
	c.when(filer != "" && !filerForm.MatchString(filer), "body.filerCode", b.FilerCode, "must be three letters or digits")
	address := b.Address.address(&c, "body.address")
	return greenlane.Broker{
		ID: b.ID, Name: strings.TrimSpace(b.Name), Email: b.Email, FilerCode: greenlane.Text(filer), Address: address,
	}, c.err()
}

func (a *API) saveProduct(ctx context.Context, in *rawInput) (*Answer[ProductView], error) {
	var body ProductBody
	c, err := a.receive(ctx, http.MethodPost, "/v1/products", in.Once, in.RawBody, &body)
	if err != nil {
		return nil, err
	}
	product, err := body.product()
	if err != nil {
		return nil, err
	}
	return do(a, c, c.unit(greenlane.SaveProduct{Product: product}), statusOK, func(o *hub.Outcome) ProductView {
		return productView(o.Decisions[0].State.(*greenlane.Product))
	})
}

func (a *API) saveBroker(ctx context.Context, in *rawInput) (*Answer[BrokerView], error) {
	var body BrokerBody
	c, err := a.receive(ctx, http.MethodPost, "/v1/brokers", in.Once, in.RawBody, &body)
	if err != nil {
		return nil, err
	}
	broker, err := body.broker()
	if err != nil {
		return nil, err
	}
	return do(a, c, c.unit(greenlane.SaveBroker{Broker: broker}), statusOK, func(o *hub.Outcome) BrokerView {
		return brokerView(o.Decisions[0].State.(*greenlane.Broker))
	})
}

// ownInput names something by the id its owner gave it.
type ownInput struct {
	ID string `path:"id" maxLength:"64" doc:"Your own id of it."`
}

type productOutput struct{ Body ProductView }

func (a *API) getProduct(ctx context.Context, in *ownInput) (*productOutput, error) {
	p, err := own[*greenlane.Product](ctx, a, greenlane.KindProduct, greenlane.RefProduct, in.ID)
	if err != nil {
		return nil, err
	}
	return &productOutput{productView(p)}, nil
}

type brokerOutput struct{ Body BrokerView }

func (a *API) getBroker(ctx context.Context, in *ownInput) (*brokerOutput, error) {
	b, err := own[*greenlane.Broker](ctx, a, greenlane.KindBroker, greenlane.RefBroker, in.ID)
	if err != nil {
		return nil, err
	}
	return &brokerOutput{brokerView(b)}, nil
}

// own finds something by the id its owner gave it. The numbers the hub gives
// are not its names here: an id may be all digits.
func own[T greenlane.State](ctx context.Context, a *API, kind greenlane.SubjectKind, by greenlane.ReferenceKind, id string) (found T, err error) {
	missing := greenlane.Errorf(greenlane.NotFound, "not_found", "there is no %s %s in this account", kind, id)
	row, err := a.byReference(ctx, kind, greenlane.Ref(by, id))
	if err != nil || row == nil {
		return found, cmp.Or(err, error(missing))
	}
	state, err := greenlane.DecodeState(kind, row.State)
	if err != nil {
		return found, err
	}
	return state.(T), nil
}

// listAs reads one page of a kind's subjects.
func listAs[S greenlane.State, V any](ctx context.Context, a *API, kind greenlane.SubjectKind, page Page, keep func(S) bool, view func(S) V) (*List[V], error) {
	found, err := a.page(ctx, listQuery{kind: kind, page: page, keep: func(s greenlane.State) bool { return keep == nil || keep(s.(S)) }})
	if err != nil {
		return nil, err
	}
	views := make([]V, len(found.rows))
	for i, r := range found.rows {
		views[i] = view(r.state.(S))
	}
	return listOf(views, found.next), nil
}

func (a *API) listProducts(ctx context.Context, in *Page) (*List[ProductView], error) {
	return listAs(ctx, a, greenlane.KindProduct, *in, nil, productView)
}

func (a *API) listBrokers(ctx context.Context, in *Page) (*List[BrokerView], error) {
	return listAs(ctx, a, greenlane.KindBroker, *in, nil, brokerView)
}

// Digits before the point: what is kept has at most 15 digits in all, so that it
// is the same number to every reader.
const (
	moneyDigits, weightDigits = 11, 9
	quantityDigits            = 11
)

var ownIDForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._:-]{0,63}$`)

// ownID refuses what can't be the id somebody gives a thing of his own.
func (c *checks) ownID(location, id string) {
	c.when(!ownIDForm.MatchString(id), location, id, "must be 1 to 64 letters, digits and . _ : -, beginning with a letter or digit")
}

// line refuses a text that does not fit one line, or that no page shows.
func (c *checks) line(location, value string, most int, required bool) {
	c.when(required && strings.TrimSpace(value) == "", location, nil, "is required")
	c.when(len(value) > most, location, nil, "must have at most %d bytes, has %d", most, len(value))
	c.when(strings.ContainsFunc(value, unfit), location, nil, "must be one line of printable characters")
}

// unfit reports whether a character does not belong on a printed line. Blanks
// of any width and joiners are part of some scripts' texts.
func unfit(r rune) bool {
	return !unicode.IsPrint(r) && !unicode.Is(unicode.Zs, r) && r != '\u200c' && r != '\u200d'
}

// country refuses what has not the form of a country code; whether it is one,
// plans say.
func (c *checks) country(location, code string) {
	two := len(code) == 2 && !strings.ContainsFunc(code, func(r rune) bool { return (r < 'A' || r > 'Z') && (r < 'a' || r > 'z') })
	c.when(code != "" && !two, location, code, "must be a country code of two letters (ISO 3166-1 alpha-2)")
}

// mailbox refuses what is not one plain e-mail address.
func (c *checks) mailbox(location, address string, required bool) {
	if address == "" {
		c.when(required, location, nil, "is required")
		return
	}
	c.when(reaction.CheckMailbox(address) != nil, location, address, "must be one e-mail address such as entry@example.com")
}

var decimalForm = regexp.MustCompile(`^(0|[1-9][0-9]*)(\.[0-9]+)?$`)

// decimal refuses a number that is not plain, is negative, or has too many
// digits to come out anywhere as it went in.
func (c *checks) decimal(location string, n Amount, before, after int) {
	if n == "" {
		return
	}
	whole, part, _ := strings.Cut(string(n), ".")
	c.when(!decimalForm.MatchString(string(n)) || len(whole) > before || len(part) > after, location, string(n),
		"must be a number, not negative, with at most %d digits before the point and %d behind it", before, after)
}

func (a *API) catalogRoutes() {
	const tag = "Exports"
	register(a, operation{method: "POST", path: "/v1/products", id: "save-product", tag: tag, summary: "Save a product",
		more: "Makes it, or replaces it.", role: greenlane.RoleIngest, raw: true}, a.saveProduct)
	describeRaw[ProductBody](a, "/v1/products")
	register(a, operation{method: "GET", path: "/v1/products", id: "list-products", tag: tag, summary: "List products",
		more: "Newest first.", role: greenlane.RoleRead}, a.listProducts)
	register(a, operation{method: "GET", path: "/v1/products/{id}", id: "get-product", tag: tag, summary: "Get a product",
		role: greenlane.RoleRead, errors: []int{404}}, a.getProduct)
	register(a, operation{method: "POST", path: "/v1/brokers", id: "save-broker", tag: tag, summary: "Save a customs broker",
		more: "Makes it, or replaces it.", role: greenlane.RoleOperator, raw: true}, a.saveBroker)
	describeRaw[BrokerBody](a, "/v1/brokers")
	register(a, operation{method: "GET", path: "/v1/brokers", id: "list-brokers", tag: tag, summary: "List customs brokers",
		more: "Newest first.", role: greenlane.RoleRead}, a.listBrokers)
	register(a, operation{method: "GET", path: "/v1/brokers/{id}", id: "get-broker", tag: tag, summary: "Get a customs broker",
		role: greenlane.RoleRead, errors: []int{404}}, a.getBroker)
	a.warehouseRoutes(tag)
}
