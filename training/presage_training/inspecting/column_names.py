"""Names that shops give to the columns of a log, in a few languages; as ``plain_words`` writes them."""

from __future__ import annotations

__all__ = ["COLUMN_NAMES"]


def _names(text: str) -> tuple[str, ...]:
    return tuple(text.split(", "))


COLUMN_NAMES: dict[str, tuple[str, ...]] = {
    "event_time": _names(
        "event time, timestamp, time stamp, ts, event timestamp, occurred at, created at, datetime, date time, at, "
        "when, server time, time, date, event date, invoice date, order date, zeitpunkt, zeitstempel, datum, zeit, "
        "uhrzeit, horodatage, heure, date heure, fecha, hora, fecha hora, momento, data, data ora, ora, tijd, "
        "tijdstip, instante, epoch, unix time, created, received at, logged at, moment"
    ),
    "event_type": _names(
        "event type, event, event name, action, type, action type, activity, behavior, behavior type, behaviour, "
        "ereignis, ereignistyp, aktion, vorgang, evenement, type evenement, accion, evento, tipo evento, tipo, "
        "azione, gebeurtenis, actie, acao, what, hit type, verb, interaction, operation, kind, evt, ev, event action, "
        "event kind, action name, activity type"
    ),
    "user_id": _names(
        "user id, user, visitor id, visitor, customer id, customer, client id, client, uid, userid, visitorid, "
        "customerid, customer number, customer no, account, account id, member id, member, anonymous id, cookie, "
        "cookie id, user pseudo id, fullvisitorid, device id, kunde, kundennummer, kunden nr, kundennr, kunden id, "
        "besucher, besucher id, nutzer, nutzer id, benutzer, benutzer id, utilisateur, visiteur, id client, id "
        "utilisateur, usuario, id usuario, cliente, id cliente, visitante, utente, id utente, visitatore, gebruiker, "
        "klant, klantnummer, bezoeker, who, person, person id, profile id, shopper, shopper id, buyer id, cust, cust "
        "id, usr, usr id, identifiant client, identifiant utilisateur, user key, customer key, vid, cid, email, "
        "customer email, e mail"
    ),
    "session_id": _names(
        "session id, session, sessionid, visit id, visit, visitid, user session, sid, ga session id, session key, "
        "sitzung, sitzungs id, sitzung id, besuch, besuchs id, seance, id session, visite, sesion, id sesion, visita, "
        "sessione, id sessione, sessie, bezoek, sessao, sess, sess id, identifiant session, identifiant visite, "
        "session token"
    ),
    "event_id": _names(
        "event id, eventid, hit id, message id, insert id, uuid, guid, event uuid, id, row id, record id, ereignis "
        "id, id evenement, id evento"
    ),
    "item_id": _names(
        "item id, item, itemid, product id, product, productid, sku, sku id, article, article id, asin, ean, gtin, "
        "stock code, stockcode, product code, variant id, goods id, artikel, artikelnummer, artikel nr, artikelnr, "
        "artikel id, produkt, produkt id, produktnummer, id article, produit, id produit, reference, producto, id "
        "producto, articulo, id articulo, prodotto, id prodotto, articolo, produto, id produto, goods, listing id, "
        "offer id, prod, prod id, pid, iid, item code, article no, article number, product no, product number, "
        "product sku, item sku, codigo, codice"
    ),
    "category": _names(
        "category, category code, category name, category path, item category, product category, category id, "
        "categoryid, department, product type, group, product group, warengruppe, kategorie, produktgruppe, "
        "categorie, rayon, categoria, familia, reparto, genre, section, cat, dept, cat id, category level 1, category "
        "l1, product line, sortiment"
    ),
    "brand": _names(
        "brand, brand name, item brand, manufacturer, maker, vendor, marke, hersteller, marque, marca, merk, fabricante"
    ),
    "price": _names(
        "price, unit price, unitprice, item price, product price, price eur, price usd, preis, einzelpreis, "
        "stueckpreis, stuckpreis, prix, prix unitaire, precio, precio unitario, prezzo, prezzo unitario, prijs, "
        "preco, cost, price each, unit cost, sale price, stk preis"
    ),
    "quantity": _names(
        "quantity, qty, qte, units, count, pieces, item quantity, menge, anzahl, stueck, stuck, stueckzahl, stuckzahl, "
        "quantite, cantidad, quantita, aantal, quantidade, number of items, num items"
    ),
    "order_id": _names(
        "order id, order, orderid, order number, order no, transaction id, transactionid, transaction, invoice, "
        "invoice no, invoiceno, invoice number, basket id, checkout id, purchase id, bestellnummer, bestellung, "
        "bestell nr, bestellnr, bestell id, auftrag, auftragsnummer, auftragsnr, rechnung, rechnungsnummer, commande, "
        "id commande, numero commande, pedido, id pedido, numero pedido, ordine, id ordine, numero ordine, "
        "bestelling, ordernummer, ord, oid, ord id, order ref, order reference, receipt, receipt id, sale id, ticket"
    ),
    "value": _names(
        "value, total, revenue, amount, sum, order value, order total, total price, total amount, purchase revenue, "
        "transaction revenue, betrag, summe, gesamt, gesamtbetrag, gesamtpreis, umsatz, bestellwert, warenwert, "
        "montant, montant total, importe, importo, totale, bedrag, valor, total value, sales, turnover, grand total"
    ),
    "currency": _names(
        "currency, currency code, currencycode, wahrung, waehrung, devise, moneda, valuta, moeda, curr, ccy, cur"
    ),
    "country": _names(
        "country, country code, countrycode, geo country, land, laendercode, landercode, pays, pais, paese, nation, "
        "market, shipping country, geo, region, landeskennung, ctry, cc, country iso, iso country, country name"
    ),
    "device": _names(
        "device, device type, device category, devicetype, platform, channel, geraet, gerat, geratetyp, geraetetyp, "
        "endgerat, endgeraet, appareil, terminal, dispositivo, apparaat, os, screen, form factor, dev, device class, "
        "device kind, client type"
    ),
}
"""The usual names of the columns of each field; earlier ones are better."""
