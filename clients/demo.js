// Invented captions, so that an overlay can be placed before anybody speaks. Two sentences in each language.
const SENTENCES = {
  en: ["Welcome, everybody, and thank you for coming tonight.", "What you read here is translated while I speak."],
  ar: ["أهلاً بكم جميعاً، وشكراً لحضوركم هذا المساء.", "ما تقرؤونه هنا يُترجَم في surtitle بينما أتكلم."],
  de: ["Willkommen, und danke, dass Sie heute Abend gekommen sind.", "Was Sie hier lesen, wird übersetzt, während ich spreche."],
  es: ["Bienvenidos todos, y gracias por venir esta noche.", "Lo que leen aquí se traduce mientras hablo."],
  fr: ["Bienvenue à tous, et merci d’être venus ce soir.", "Ce que vous lisez ici est traduit pendant que je parle."],
  it: ["Benvenuti a tutti, e grazie di essere qui stasera.", "Quello che leggete è tradotto mentre parlo."],
  ja: ["皆さん、今夜はお越しいただきありがとうございます。", "ここに表示される文章は、話しながら翻訳されています。"],
  ko: ["여러분, 오늘 저녁에 와 주셔서 감사합니다.", "지금 읽고 계신 글은 제가 말하는 동안 번역됩니다."],
  pt: ["Bem-vindos, e obrigado por terem vindo esta noite.", "O que leem aqui é traduzido enquanto eu falo."],
  th: ["ยินดีต้อนรับทุกท่าน และขอบคุณที่มาในค่ำคืนนี้", "ข้อความที่ท่านอ่านอยู่นี้แปลไปพร้อมกับที่ผมพูด"],
  zh: ["欢迎各位，感谢大家今晚的到来。", "您在这里读到的内容是在我讲话的同时翻译的。"],
};

// Calls show(caption) for a draft of each language every quarter of a second.
export function demo(show, languages) {
  const targets = languages.length ? languages : ["es"];
  let cue = 0;
  let step = 0;
  const words = (lang) => {
    const sentence = (SENTENCES[lang.split("-")[0]] || SENTENCES.en)[cue % 2];
    return sentence.match(/[ -\u2FFF]+? |[^]{1,4}/gu);
  };
  setInterval(() => {
    step++;
    let going = false;
    for (const lang of new Set(["en", ...targets])) {
      const said = words(lang);
      const text = said.slice(0, step).join("");
      const final = step === said.length;
      going ||= step < said.length;
      const role = targets.includes(lang) ? "target" : "source";
      if (step <= said.length) show({ cue, lang, role, text, final, stable: final ? text.length : text.length - 6 });
    }
    if (!going) [cue, step] = [cue + 1, 0];
  }, 260);
}
