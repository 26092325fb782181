package greenlane

import (
	"math/big"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"
)

// ExportRule is one rule of readiness, as data: what it asks for, how much it
// weighs, on what it rests, and when it holds.
type ExportRule struct {
	ID       string
	Severity Severity
	// Title is what the rule asks for, in one sentence.
	Title string
	// Basis is the legal or technical source.
	Basis string
	// From is the first day it holds, Until the first day it no longer does; zero
	// for always.
	From, Until time.Time

	check func(p *planning, r ExportRule)
}

// Holds reports whether the rule holds on a day.
func (r ExportRule) Holds(on time.Time) bool {
	return (r.From.IsZero() || !on.Before(r.From)) && (r.Until.IsZero() || on.Before(r.Until))
}

// ExportRules returns all rules, in the order in which they are checked.
func ExportRules() []ExportRule { return slices.Clone(exportRules) }

func day(year int, month time.Month, d int) time.Time {
	return time.Date(year, month, d, 0, 0, 0, 0, time.UTC)
}

// exportRules are checked in this order. Findings stand in it.
var exportRules = []ExportRule{
	{ID: "product_unknown", Severity: SeverityError, Title: "Every line names a product that is known.",
		Basis: "19 CFR 141.86(a)(3): detailed description of the merchandise", check: checkProduct},
	{ID: "description_vague", Severity: SeverityWarning, Title: "Every product has a description customs can work with.",
		Basis: "19 CFR 141.86(a)(3)", check: checkDescription},
	{ID: "description_not_english", Severity: SeverityInfo, Title: "Descriptions of goods for the United States are in English.",
		Basis: "19 CFR 141.86(d)", check: checkLanguage},
	{ID: "responsible_person_missing", Severity: SeverityInfo, Title: "The invoice names an employee of the exporter who knows of the transaction.",
		Basis: "19 CFR 141.86(j)", check: checkPerson},
	{ID: "hs_code_missing", Severity: SeverityError, Title: "Every product has a tariff number.",
		Basis: "19 CFR 142.6(a)(4); Harmonized System Convention", check: checkTariffMissing},
	{ID: "hs_code_malformed", Severity: SeverityError, Title: "A tariff number has six to ten digits and begins with a chapter that exists.",
		Basis: "Harmonized System, chapters 01 to 97 (77 is reserved), 98 and 99 for national use", check: checkTariffForm},
	{ID: "origin_missing", Severity: SeverityError, Title: "Every product has a country of origin.",
		Basis: "19 CFR 141.86(a)(10); 19 USC 1304", check: checkOrigin},
	{ID: "country_unknown", Severity: SeverityError, Title: "Countries are those of ISO 3166-1.",
		Basis: "ISO 3166-1 alpha-2", check: checkCountries},
	{ID: "shipper_country_missing", Severity: SeverityInfo, Title: "The warehouse is in a country.",
		Basis: "19 CFR 141.86(a)(2); 15 CFR 30.6", check: checkShipper},
	{ID: "consignee_elsewhere", Severity: SeverityInfo, Title: "The consignee is where the order goes.",
		Basis: "19 CFR 141.86(a)(2)", check: checkElsewhere},
	{ID: "value_missing", Severity: SeverityError, Title: "Every line has a value above zero.",
		Basis: "19 CFR 141.86(a)(5)", check: checkValue},
	{ID: "charges_exceeded", Severity: SeverityError, Title: "Rebates leave something to pay.",
		Basis: "19 CFR 141.86(a)(9)", check: checkCharges},
	{ID: "quantity_invalid", Severity: SeverityError, Title: "Every line has a quantity above zero.",
		Basis: "19 CFR 141.86(a)(4)", check: checkQuantity},
	{ID: "weight_missing", Severity: SeverityWarning, Title: "Every product has a net weight, for the packing list.",
		Basis: "19 CFR 141.86(a)(4) and (e)", check: checkWeight},
	{ID: "consignee_incomplete", Severity: SeverityWarning, Title: "Every order has a consignee, with the address its country asks for.",
		Basis: "19 CFR 141.86(a)(2)", check: checkConsignee},
	{ID: "destination_embargoed", Severity: SeverityError, Title: "Nothing goes to a place, or to somebody in a place, under a comprehensive embargo of the United States.",
		Basis: "31 CFR parts 510, 515 and 560 (North Korea, Cuba, Iran); Executive Orders 13685 and 14065 (regions of Ukraine)", check: checkEmbargo},
	{ID: "de_minimis", Severity: SeverityInfo, Title: "A shipment of at most 800 USD a person and day enters the United States free of duty.",
		Basis: "19 USC 1321(a)(2)(C) as amended by Public Law 114-125, section 901",
		From:  day(2016, time.March, 10), Until: day(2025, time.August, 29), check: checkDeMinimis},
	{ID: "de_minimis_suspended", Severity: SeverityInfo, Title: "No shipment enters the United States free of duty for its low value: an entry type is needed.",
		Basis: "Executive Order 14324 of 30 July 2025, continued by order of 20 February 2026; 19 USC 1321(a)(2)(C)",
		From:  day(2025, time.August, 29), check: checkDeMinimisSuspended},
	{ID: "eei_required", Severity: SeverityWarning, Title: "Exports from the United States over 2,500 USD a Schedule B number and consignee need electronic export information, and its ITN or an exemption legend.",
		Basis: "15 CFR 30.2, 30.36, 30.37(a)", check: checkEEI},
	{ID: "eei_exempt", Severity: SeverityInfo, Title: "An exemption from electronic export information by value or destination holds unless a licence applies.",
		Basis: "15 CFR 30.2(a)(1)(iv), 30.36, 30.37(a)", check: checkLicence},
	{ID: "itn_malformed", Severity: SeverityError, Title: "An ITN is an X, a date and six digits.",
		Basis: "15 CFR 30.7; AESTIR appendix on the Internal Transaction Number", check: checkITN},
	{ID: "exemption_malformed", Severity: SeverityWarning, Title: "An exemption legend is NOEEI and the section it rests on, or AESPOST or AESDOWN with its citation.",
		Basis: "15 CFR 30.7(b), 30.4(b), 30.4(c)", check: checkExemption},
	{ID: "eori_missing", Severity: SeverityInfo, Title: "An exporter in the European Union or the United Kingdom has an EORI number.",
		Basis: "Regulation (EU) 952/2013, article 9; Customs (Export) (EU Exit) Regulations 2019", check: checkEORIMissing},
	{ID: "eori_malformed", Severity: SeverityError, Title: "An EORI number is a country code and up to 15 letters and digits.",
		Basis: "Delegated Regulation (EU) 2015/2446, annex 12-01", check: checkEORIForm},
	{ID: "incoterm_unknown", Severity: SeverityWarning, Title: "Terms of delivery are those of Incoterms 2020, with their place.",
		Basis: "Incoterms 2020, ICC publication 723", check: checkIncoterm},
}

func checkProduct(p *planning, r ExportRule) {
	p.eachLine(func(o *Order, _ int, line OrderLine, product *Product) {
		if product == nil {
			p.lack(r, o, line.ProductID, "product", "product %s is not known", line.ProductID)
		}
	})
}

// vagueWords are descriptions that name no goods.
var vagueWords = []string{"goods", "item", "items", "misc", "miscellaneous", "parts", "product", "products", "sample", "samples", "gift", "various", "stuff", "merchandise"}

func checkDescription(p *planning, r ExportRule) {
	p.eachLine(func(o *Order, _ int, line OrderLine, product *Product) {
		if product == nil {
			return
		}
		name := strings.ToLower(strings.TrimSpace(product.Name))
		if len([]rune(name)) < 3 || slices.Contains(vagueWords, name) {
			p.find(r, o, "products["+line.ProductID+"].name", "%q does not say what product %s is", product.Name, line.ProductID)
		}
	})
}

// checkLanguage looks for letters of other scripts than Latin.
func checkLanguage(p *planning, r ExportRule) {
	if !p.entersUS() {
		return
	}
	p.eachLine(func(o *Order, _ int, line OrderLine, product *Product) {
		if product != nil && strings.ContainsFunc(product.Name, func(c rune) bool { return unicode.IsLetter(c) && !unicode.Is(unicode.Latin, c) }) {
			p.find(r, o, "products["+line.ProductID+"].name", "%q is not English", product.Name)
		}
	})
}

func checkPerson(p *planning, r ExportRule) {
	if p.entersUS() && p.in.Terms.ResponsiblePerson == "" && len(p.included) > 0 {
		p.lack(r, nil, "", "terms.responsiblePerson", "nobody is named who knows of the transaction; the invoice has a blank for it")
	}
}

func checkTariffMissing(p *planning, r ExportRule) {
	p.eachLine(func(o *Order, _ int, line OrderLine, product *Product) {
		if product != nil && digitsOf(product.HSCode) == "" {
			p.lack(r, o, line.ProductID, "hsCode", "product %s has no HS code", line.ProductID)
		}
	})
}

func checkTariffForm(p *planning, r ExportRule) {
	p.eachLine(func(o *Order, _ int, line OrderLine, product *Product) {
		if product == nil || digitsOf(product.HSCode) == "" {
			return
		}
		code := digitsOf(product.HSCode)
		if len(code) < 6 || len(code) > 10 || !allDigits(code) || code[:2] == "00" || code[:2] == "77" {
			p.find(r, o, "products["+line.ProductID+"].hsCode", "%q is no tariff number: expected 6 to 10 digits, chapter 01 to 99 without 77", product.HSCode)
		}
	})
}

func checkOrigin(p *planning, r ExportRule) {
	p.eachLine(func(o *Order, _ int, line OrderLine, product *Product) {
		if product != nil && product.OriginCountry == "" {
			p.lack(r, o, line.ProductID, "originCountry", "product %s has no country of origin", line.ProductID)
		}
	})
}

func checkCountries(p *planning, r ExportRule) {
	if !knownCountry(p.in.DestinationCountry) {
		p.find(r, nil, "destinationCountry", "%q is no country of ISO 3166-1", p.in.DestinationCountry)
	}
	known := func(o *Order, field, code string) {
		if code != "" && !knownCountry(code) {
			p.find(r, o, field, "%q is no country of ISO 3166-1", code)
		}
	}
	known(nil, "warehouse.address.country", p.in.Warehouse.Address.Country)
	if p.in.Terms.Exporter != nil {
		known(nil, "terms.exporter.address.country", p.in.Terms.Exporter.Address.Country)
	}
	for _, o := range p.included {
		if o.Consignee != nil {
			known(o, "consignee.address.country", o.Consignee.Address.Country)
		}
	}
	p.eachLine(func(o *Order, _ int, line OrderLine, product *Product) {
		if product != nil && product.OriginCountry != "" && !knownCountry(product.OriginCountry) {
			p.find(r, o, "products["+line.ProductID+"].originCountry", "%q is no country of ISO 3166-1", product.OriginCountry)
		}
	})
}

func checkValue(p *planning, r ExportRule) {
	p.eachLine(func(o *Order, _ int, line OrderLine, _ *Product) {
		if line.UnitValueUSD.Rat().Sign() <= 0 {
			p.lack(r, o, line.ProductID, "unitValueUsd", "the line of product %s has no value", line.ProductID)
		}
	})
}

func checkQuantity(p *planning, r ExportRule) {
	p.eachLine(func(o *Order, _ int, line OrderLine, _ *Product) {
		if line.Quantity.Rat().Sign() <= 0 {
			p.lack(r, o, line.ProductID, "quantity", "the line of product %s has no quantity", line.ProductID)
		}
	})
}

func checkWeight(p *planning, r ExportRule) {
	p.eachLine(func(o *Order, _ int, line OrderLine, product *Product) {
		if product != nil && product.NetWeightKg.Rat().Sign() <= 0 {
			p.lack(r, o, line.ProductID, "netWeightKg", "product %s has no net weight", line.ProductID)
		}
	})
}

// noPostalCode are countries without postal codes, or where few have one (UPU,
// addressing systems); with a blank around each.
const noPostalCode = " AE AG AO AW BF BI BJ BO BS BW BZ CF CG CI CK CM DJ DM ER FJ GD GH GM GN GQ GY HK IE JM KI KM KN LC ML MO MR MW NA NR NU PA QA RW SB SC SL SR ST SY TD TF TG TK TL TO TT TV UG VU YE ZW "

// needsRegion are countries whose addresses name a state or province.
const needsRegion = " US CA AU BR MX "

func checkConsignee(p *planning, r ExportRule) {
	for _, o := range p.included {
		c := o.Consignee
		if c == nil {
			p.lack(r, o, "", "consignee", "nobody is named who receives the order")
			continue
		}
		at := " " + c.Address.Country + " "
		for _, f := range []struct {
			field, value string
			needed       bool
		}{
			{"name", c.Name, true}, {"address.street", c.Address.Street, true}, {"address.city", c.Address.City, true},
			{"address.region", c.Address.Region, strings.Contains(needsRegion, at)},
			{"address.postalCode", c.Address.PostalCode, !strings.Contains(noPostalCode, at)},
			{"address.country", c.Address.Country, true},
		} {
			if f.needed && strings.TrimSpace(f.value) == "" {
				p.lack(r, o, "", "consignee."+f.field, "the consignee has no %s", f.field)
			}
		}
	}
}

// embargo is a place under a comprehensive embargo of the United States: a
// country, or regions by the names and ISO 3166-2 codes they go by, under
// whichever country they are addressed.
type embargo struct {
	countries []string
	regions   []string
	basis     string
}

var embargoes = []embargo{
	{countries: []string{"CU"}, basis: "31 CFR part 515"},
	{countries: []string{"IR"}, basis: "31 CFR part 560"},
	{countries: []string{"KP"}, basis: "31 CFR part 510"},
	{countries: []string{"UA", "RU"}, regions: []string{"43", "CRIMEA", "KRYM", "40", "SEVASTOPOL"}, basis: "Executive Order 13685"},
	{countries: []string{"UA", "RU"}, regions: []string{"14", "DONETSK", "09", "LUHANSK", "LUGANSK"}, basis: "Executive Order 14065"},
}

// covers reports whether goods that go to a place go where the embargo holds. A
// region's number counts for Ukraine alone: Russia's are others.
func (e *embargo) covers(country string, places ...string) bool {
	if !slices.Contains(e.countries, country) {
		return false
	}
	return e.regions == nil || slices.ContainsFunc(places, func(place string) bool {
		place = strings.TrimPrefix(strings.ToUpper(strings.TrimSpace(place)), "UA-")
		return slices.ContainsFunc(e.regions, func(region string) bool {
			if allDigits(region) {
				return country == "UA" && place == region
			}
			return strings.Contains(place, region)
		})
	})
}

// checkEmbargo looks at where an order goes and at where its consignee is.
func checkEmbargo(p *planning, r ExportRule) {
	for i := range embargoes {
		e := &embargoes[i]
		for _, o := range p.included {
			field := ""
			switch c := o.Consignee; {
			case e.covers(o.DestinationCountry, o.DestinationRegion):
				field = "destinationCountry"
			case c != nil && e.covers(c.Address.Country, c.Address.Region, c.Address.City),
				c != nil && c.Address.Country == "" && e.covers(o.DestinationCountry, c.Address.Region, c.Address.City):
				field = "consignee.address"
			default:
				continue
			}
			p.flag("embargo")
			p.find(r, o, field, "it goes to a place under embargo (%s)", e.basis)
		}
	}
}

// checkElsewhere reports a consignee in another country than the order goes to.
func checkElsewhere(p *planning, r ExportRule) {
	for _, o := range p.included {
		if c := o.Consignee; c != nil && c.Address.Country != "" && c.Address.Country != o.DestinationCountry {
			p.find(r, o, "consignee.address.country", "the consignee is in %s, the order goes to %s", c.Address.Country, o.DestinationCountry)
		}
	}
}

// deMinimis was the value up to which a shipment entered free of duty, in US
// dollars.
var deMinimis = big.NewRat(800, 1)

func checkDeMinimis(p *planning, r ExportRule) {
	p.eachSmall(func(o *Order) {
		if !p.in.AsOf.Before(chinaEnded) && p.fromChina(o) {
			p.find(r, o, "", "goods of China or Hong Kong do not enter free of duty any more, whatever their value (Executive Order 14256)")
			p.flag("entry_type_needed")
			return
		}
		p.find(r, o, "", "its value of %s USD enters free of duty", o.total())
		p.flag("de_minimis")
	})
}

// chinaEnded is the day from which goods of China and Hong Kong no longer entered
// free of duty (Executive Order 14256).
var chinaEnded = day(2025, time.May, 2)

func (p *planning) fromChina(o *Order) bool {
	return slices.ContainsFunc(o.Lines, func(l OrderLine) bool {
		product := p.in.Products[l.ProductID]
		return product != nil && (product.OriginCountry == "CN" || product.OriginCountry == "HK")
	})
}

func checkDeMinimisSuspended(p *planning, r ExportRule) {
	p.eachSmall(func(o *Order) {
		p.find(r, o, "", "its value of %s USD does not free it of duty: it needs an entry", o.total())
		p.flag("entry_type_needed")
	})
}

// eachSmall calls f for each order to the United States of little value.
func (p *planning) eachSmall(f func(o *Order)) {
	if !p.entersUS() {
		return
	}
	for _, o := range p.included {
		if o.total().Rat().Cmp(deMinimis) <= 0 {
			f(o)
		}
	}
}

// eeiThreshold is the value of one Schedule B number to one consignee above which
// electronic export information must be filed, in US dollars.
var eeiThreshold = big.NewRat(2500, 1)

// filesEEI are where exports are filed with the United States: its customs
// territory and the Virgin Islands (15 CFR 30.1).
const filesEEI = " US PR VI "

// judgeEEI says whether electronic export information is required for a unit by
// its value, and which legend stands in for it where it is not. Shipments to
// Canada are exempt whatever their value (15 CFR 30.36).
func (p *planning) judgeEEI(u *ExportUnit) {
	from, to := p.in.Warehouse.Address.Country, p.in.DestinationCountry
	switch {
	case from == "" || from == to || !strings.Contains(filesEEI, " "+from+" "):
		return
	case to == "CA":
		u.Exemption = "NOEEI 30.36"
		return
	}
	u.Exemption = "NOEEI 30.37(a)"
	sums := map[string]*big.Rat{}
	for _, line := range u.Lines {
		if sums[line.HSCode] == nil {
			sums[line.HSCode] = new(big.Rat)
		}
		sum := sums[line.HSCode].Add(sums[line.HSCode], line.TotalValueUSD.Rat())
		if sum.Cmp(eeiThreshold) > 0 {
			u.EEIRequired, u.Exemption = true, ""
		}
	}
}

// checkEEI asks for the filing's number, or for the legend that stands in for it.
func checkEEI(p *planning, r ExportRule) {
	for _, u := range p.units() {
		switch {
		case u.EEIRequired:
			p.flag("eei_required")
			if p.in.Terms.ITN == "" && p.in.Terms.Exemption == "" {
				p.lack(r, nil, "", "terms.itn", "%s, for %s: more than 2,500 USD under one number, so an ITN or an exemption is needed before departure",
					u.UnitID, orNobody(u.Consignee))
			}
		case u.Exemption == "NOEEI 30.36":
			p.flag("noeei_30_36")
		case u.Exemption != "":
			p.flag("noeei_30_37_a")
		}
	}
}

func orNobody(name string) string {
	if name == "" {
		return "nobody named"
	}
	return name
}

// checkLicence reminds that value alone does not decide.
func checkLicence(p *planning, r ExportRule) {
	for _, u := range p.units() {
		if u.Exemption != "" && p.in.Terms.ITN == "" && p.in.Terms.Exemption == "" {
			p.find(r, nil, "terms.exemption", "%s holds by value; where a licence or 15 CFR 30.2(a)(1)(iv) applies an ITN is needed", u.Exemption)
		}
	}
}

// checkCharges refuses rebates that leave nothing to pay.
func checkCharges(p *planning, r ExportRule) {
	total := new(big.Rat)
	for _, u := range p.units() {
		total.Add(total, u.TotalValueUSD.Rat())
	}
	rebates := false
	for _, c := range p.in.Terms.Charges {
		switch c.Kind {
		case ChargeRebate:
			rebates = true
			total.Sub(total, c.AmountUSD.Rat())
		case ChargeAssist:
		default:
			total.Add(total, c.AmountUSD.Rat())
		}
	}
	if rebates && len(p.included) > 0 && total.Sign() <= 0 {
		p.find(r, nil, "terms.charges", "rebates take off all the goods and charges are worth")
	}
}

// checkShipper asks where the goods leave from: several rules go by it.
func checkShipper(p *planning, r ExportRule) {
	if p.in.Warehouse.Address.Country == "" {
		p.lack(r, nil, "", "warehouse.address.country", "warehouse %s is in no country, so rules of its country were not checked", p.in.Warehouse.ID)
	}
}

func checkITN(p *planning, r ExportRule) {
	if itn := p.in.Terms.ITN; itn != "" {
		if err := CheckITN(itn); err != nil {
			p.find(r, nil, "terms.itn", "%v", err)
		}
	}
}

// legendForm is the form of an exemption legend or post-departure citation.
var legendForm = regexp.MustCompile(`^(NOEEI( §| )30\.[0-9]{1,2}(\([a-z0-9]+\))*|AESPOST .{3,}|AESDOWN .{3,})$`)

func checkExemption(p *planning, r ExportRule) {
	if legend := p.in.Terms.Exemption; legend != "" && !legendForm.MatchString(legend) {
		p.find(r, nil, "terms.exemption", "%q is no legend such as NOEEI 30.37(a)", legend)
	}
}

// eoriCountries are the members of the European Union and the United Kingdom,
// with a blank around each. XI is Northern Ireland.
const eoriCountries = " AT BE BG CY CZ DE DK EE ES FI FR GR HR HU IE IT LT LU LV MT NL PL PT RO SE SI SK GB XI "

// exporter is who exports, as far as it is told.
func (p *planning) exporter() Exporter {
	return (&PlannedExport{Terms: p.in.Terms, Warehouse: *p.in.Warehouse}).Shipper()
}

func checkEORIMissing(p *planning, r ExportRule) {
	e := p.exporter()
	if e.EORI == "" && e.Address.Country != "" && strings.Contains(eoriCountries, " "+e.Address.Country+" ") {
		p.lack(r, nil, "", "terms.exporter.eori", "%s is in %s and has no EORI number", e.Name, e.Address.Country)
	}
}

func checkEORIForm(p *planning, r ExportRule) {
	if e := p.exporter(); e.EORI != "" {
		if err := CheckEORI(e.EORI); err != nil {
			p.find(r, nil, "terms.exporter.eori", "%v", err)
		}
	}
}

func checkIncoterm(p *planning, r ExportRule) {
	terms := p.in.Terms
	switch {
	case terms.Incoterm == "":
	case !slices.Contains(Incoterms(), terms.Incoterm):
		p.find(r, nil, "terms.incoterm", "%q is not one of %s", terms.Incoterm, strings.Join(Incoterms(), ", "))
	case terms.Place == "":
		p.lack(r, nil, "", "terms.incotermPlace", "%s names no place", terms.Incoterm)
	}
}

// knownCountry reports whether a code is one of ISO 3166-1 alpha-2, or XI or XK,
// which customs use beside them.
func knownCountry(code string) bool {
	return len(code) == 2 && strings.Contains(countries, " "+code+" ")
}

// countries are the codes of ISO 3166-1 alpha-2 with a blank around each.
const countries = " AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW BY BZ " +
	"CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO FR " +
	"GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP " +
	"KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT MU MV MW MX MY MZ " +
	"NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ " +
	"TC TD TF TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS XI XK YE YT ZA ZM ZW "
